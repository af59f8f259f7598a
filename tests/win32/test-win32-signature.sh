#!/bin/bash
# Signs a plugin well and badly, for test-win32-signature: test-win32-signature.sh PLUGIN FOLDER
#
#   root.cer        a root certificate; the test has the machine trust it
#   signed.dll      by a certificate of that root's
#   expired.dll     likewise, by one that was good in 2020 only
#   stranger.dll    by a certificate of a root that nobody trusts
#
# Keys and certificates are made here and thrown away; nothing is asked of another machine, no time is stamped.
set -euo pipefail
plugin=$(readlink -f "$1")
folder=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# quietly COMMAND...: its output only when it fails.
quietly() {
  "$@" >log 2>&1 || { cat log >&2; return 1; }
}

# root NAME: a key and a certificate that has signed itself.
root() {
  quietly openssl req -x509 -newkey rsa:2048 -nodes -sha256 -days 3650 -keyout "$1.key" -out "$1.pem" \
    -subj "/CN=Bulkhead test $1" -addext basicConstraints=critical,CA:true -addext keyUsage=critical,keyCertSign
}

# signer NAME ROOT FROM TO: a certificate for signing programs, and the plugin signed by it.
signer() {
  mkdir "$1"
  touch "$1/index"
  cat >"$1/config" <<CONFIG
[ca]
default_ca = test
[test]
new_certs_dir = $1
database = $1/index
rand_serial = yes
default_md = sha256
policy = names
x509_extensions = extensions
[names]
commonName = supplied
[extensions]
basicConstraints = CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = codeSigning
CONFIG
  quietly openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=Bulkhead test $1"
  quietly openssl ca -batch -notext -config "$1/config" -cert "$2.pem" -keyfile "$2.key" -in "$1.csr" \
    -out "$1.pem" -startdate "$3" -enddate "$4"
  quietly osslsigncode sign -certs "$1.pem" -ac "$2.pem" -key "$1.key" -h sha256 -in "$plugin" -out "$1.dll"
}

root root
root nobody
signer signed root 20200101000000Z 20491231235959Z
signer expired root 20200101000000Z 20201231235959Z
signer stranger nobody 20200101000000Z 20491231235959Z
openssl x509 -in root.pem -outform DER -out root.cer
mv -f root.cer signed.dll expired.dll stranger.dll "$folder"
