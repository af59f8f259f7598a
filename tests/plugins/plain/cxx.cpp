// cxx.cpp: a plugin as people write them in C++: iostreams, exceptions, RAII, a thread.
//
// When a VM has started, it throws and catches within its hook, on the hook's thread and on one of its own.
// When a distribution has started it runs a program in it, and keeps what that printed in cxx.log beside the
// DLL; unless the distribution is called "throw": then an exception leaves the hook, which no plugin may let
// happen.
#include "WslPluginApi.h"

#include <fstream>
#include <iostream>
#include <sstream>
#include <stdexcept>
#include <string>

namespace {

const WSLPluginAPIV1 *api;
std::wstring folder;

class Failure : public std::runtime_error {
public:
  Failure(HRESULT code, const std::string &what) : std::runtime_error(what), code_(code) {
  }
  HRESULT code() const {
    return code_;
  }

private:
  HRESULT code_;
};

void check(HRESULT result, const char *what) {
  if (FAILED(result)) throw Failure(result, what);
}

class Socket {
public:
  Socket() = default;
  Socket(const Socket &) = delete;
  Socket &operator=(const Socket &) = delete;
  ~Socket() {
    if (socket_ != INVALID_SOCKET) closesocket(socket_);
  }
  SOCKET *put() {
    return &socket_;
  }
  std::string read_all() {
    std::ostringstream text;
    char buffer[512];
    for (int part; (part = recv(socket_, buffer, sizeof buffer, 0)) > 0;) text.write(buffer, part);
    return text.str();
  }

private:
  SOCKET socket_ = INVALID_SOCKET;
};

// A hook may not throw: what its body throws is its result.
template <typename Body> HRESULT guarded(Body body) {
  try {
    body();
    return S_OK;
  } catch (const Failure &failure) {
    std::cerr << "cxx: " << failure.what() << std::endl;
    return failure.code();
  } catch (const std::exception &exception) {
    std::cerr << "cxx: " << exception.what() << std::endl;
    return E_FAIL;
  }
}

// Throws through a frame with a destructor, and catches it again. The destructor must have run.
bool throw_and_catch() {
  struct Mark {
    explicit Mark(bool &unwound) : unwound_(unwound) {
    }
    ~Mark() {
      unwound_ = true;
    }
    bool &unwound_;
  };
  bool unwound = false;
  try {
    Mark mark(unwound);
    throw std::invalid_argument("thrown to be caught");
  } catch (const std::logic_error &) {
    return unwound;
  }
}

DWORD WINAPI throw_on_thread(void *caught) {
  *static_cast<bool *>(caught) = throw_and_catch();
  return 0;
}

HRESULT on_vm_started(const WSLSessionInformation *, const WSLVmCreationSettings *) {
  return guarded([] {
    bool caught = false;
    // Not std::thread: mingw-w64's g++ has none with Windows' own threads.
    HANDLE thread = CreateThread(nullptr, 0, throw_on_thread, &caught, 0, nullptr);
    if (thread == nullptr) throw Failure(E_OUTOFMEMORY, "no thread");
    WaitForSingleObject(thread, INFINITE);
    CloseHandle(thread);
    if (!caught || !throw_and_catch()) throw Failure(E_UNEXPECTED, "exceptions do not work");
  });
}

HRESULT on_distribution_started(const WSLSessionInformation *session,
                                const WSLDistributionInformation *distribution) {
  if (std::wstring(distribution->Name) == L"throw") throw std::runtime_error("leaves the hook");
  return guarded([&] {
    LPCSTR arguments[] = {"/bin/echo", "from", "C++", nullptr};
    Socket socket;
    check(api->ExecuteBinaryInDistribution(session->SessionId, &distribution->Id, arguments[0], arguments,
                                           socket.put()),
          "/bin/echo could not be run");
    std::ofstream log((folder + L"\\cxx.log").c_str());
    log << socket.read_all();
    if (!log) throw Failure(E_FAIL, "cxx.log could not be written");
  });
}

} // namespace

extern "C" __declspec(dllexport) HRESULT
    WSLPLUGINAPI_ENTRYPOINTV1(const WSLPluginAPIV1 *Api, WSLPluginHooksV1 *Hooks) {
  WSL_PLUGIN_REQUIRE_VERSION(2, 1, 2, Api);
  api = Api;
  Hooks->OnVMStarted = on_vm_started;
  Hooks->OnDistributionStarted = on_distribution_started;
  return S_OK;
}

extern "C" BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *) {
  if (reason != DLL_PROCESS_ATTACH) return TRUE;
  wchar_t path[MAX_PATH];
  GetModuleFileNameW(instance, path, MAX_PATH);
  const std::wstring full(path);
  folder = full.substr(0, full.rfind(L'\\'));
  return TRUE;
}
