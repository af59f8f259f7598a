#include "backend-win32/host/plugin-file.h"

#include <string.h>

/* A file as bytes in memory. */
typedef struct {
  const guint8 *bytes;
  guint64 size;
} Image;

/* The DLLs that one imports: more than any has. A bound for files that are made to have more. */
#define IMPORTS_MAX  4096
#define DLL_NAME_MAX 260

static BhResult image_map(const char *path, Image *image) {
  g_autofree wchar_t *wide = bh_wire_wide(path);
  LARGE_INTEGER size = {.QuadPart = 0};
  BhResult result = BH_OK;
  HANDLE file, mapping;

  *image = (Image){NULL, 0};
  file = CreateFileW(wide, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL, OPEN_EXISTING, 0, NULL);
  if (file == INVALID_HANDLE_VALUE) return bh_wire_error(GetLastError());
  if (!GetFileSizeEx(file, &size)) result = bh_wire_error(GetLastError());
  if (BH_SUCCEEDED(result) && size.QuadPart > 0) { /* an empty file cannot be mapped; it is no DLL either */
    mapping = CreateFileMappingW(file, NULL, PAGE_READONLY, 0, 0, NULL);
    if (mapping != NULL) {
      image->bytes = MapViewOfFile(mapping, FILE_MAP_READ, 0, 0, 0);
      CloseHandle(mapping);
    }
    if (image->bytes == NULL)
      result = bh_wire_error(GetLastError());
    else
      image->size = (guint64)size.QuadPart;
  }
  CloseHandle(file);
  return result;
}

static void image_unmap(Image *image) {
  if (image->bytes != NULL) UnmapViewOfFile(image->bytes);
  *image = (Image){NULL, 0};
}

/* The bytes at an offset of the file; NULL when they are not all in it. */
static gconstpointer image_at(const Image *image, guint64 offset, guint64 size) {
  return offset <= image->size && size <= image->size - offset ? image->bytes + offset : NULL;
}

/* The headers, which have the same beginning for 32 and 64 bits. NULL: not a PE file. */
static const IMAGE_NT_HEADERS64 *image_headers(const Image *image, guint64 *offset) {
  const IMAGE_DOS_HEADER *dos = image_at(image, 0, sizeof *dos);
  const IMAGE_NT_HEADERS64 *headers;

  if (dos == NULL || dos->e_magic != IMAGE_DOS_SIGNATURE || dos->e_lfanew < 0) return NULL;
  *offset = (guint64)dos->e_lfanew;
  headers = image_at(image, *offset, sizeof *headers);
  return headers != NULL && headers->Signature == IMAGE_NT_SIGNATURE ? headers : NULL;
}

/* What lies at an address of the loaded image, in the file: its section says where. NULL: not all of it is. */
static gconstpointer image_at_address(const Image *image, guint64 address, guint64 size) {
  guint64 offset = 0;
  const IMAGE_NT_HEADERS64 *headers = image_headers(image, &offset);
  const IMAGE_SECTION_HEADER *sections;
  guint count = headers->FileHeader.NumberOfSections;

  offset += G_STRUCT_OFFSET(IMAGE_NT_HEADERS64, OptionalHeader) + headers->FileHeader.SizeOfOptionalHeader;
  sections = image_at(image, offset, (guint64)count * sizeof *sections);
  for (guint i = 0; sections != NULL && i < count; i++) {
    guint64 begin = sections[i].VirtualAddress;
    if (address >= begin && address - begin < sections[i].SizeOfRawData)
      return image_at(image, sections[i].PointerToRawData + (address - begin), size);
  }
  return NULL;
}

static const char *machine_name(WORD machine) {
  switch (machine) {
    case IMAGE_FILE_MACHINE_I386: return "32-bit x86";
    case IMAGE_FILE_MACHINE_ARM64: return "64-bit ARM";
    case IMAGE_FILE_MACHINE_ARMNT: return "32-bit ARM";
    default: return "another machine";
  }
}

static BhResult inspect(const Image *image, const char *path, char **cause) {
  guint64 offset;
  const IMAGE_NT_HEADERS64 *headers = image_headers(image, &offset);

  if (headers == NULL)
    *cause = g_strdup_printf("%s is not a DLL", path);
  else if (headers->FileHeader.Machine != IMAGE_FILE_MACHINE_AMD64)
    *cause = g_strdup_printf("%s is a DLL for %s, and this is 64-bit x86", path,
                             machine_name(headers->FileHeader.Machine));
  else if ((headers->FileHeader.Characteristics & IMAGE_FILE_DLL) == 0)
    *cause = g_strdup_printf("%s is a program, not a DLL", path);
  else if (headers->OptionalHeader.Magic != IMAGE_NT_OPTIONAL_HDR64_MAGIC)
    *cause = g_strdup_printf("%s is not a valid DLL", path);
  return *cause == NULL ? BH_OK : BH_E_BAD_EXE_FORMAT;
}

BhResult bh_plugin_file_inspect(const char *path, char **cause) {
  Image image;
  BhResult result = image_map(path, &image);

  *cause = NULL;
  if (BH_SUCCEEDED(result)) {
    result = inspect(&image, path, cause);
  } else if (result == BH_E_FILE_NOT_FOUND || result == BH_E_PATH_NOT_FOUND) {
    result = BH_E_MOD_NOT_FOUND; /* what LoadLibrary says, and the contract */
    *cause = g_strdup_printf("there is no file %s", path);
  } else {
    g_autofree char *words = bh_wire_error_words(result);
    *cause = g_strdup_printf("%s cannot be read: %s", path, words);
  }
  image_unmap(&image);
  return result;
}

/* --- What it imports ------------------------------------------------------------------------------------ */

/* The names of the DLLs that a DLL imports. Free with g_ptr_array_unref. */
static GPtrArray *imported_dlls(const char *path) {
  GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
  const IMAGE_DATA_DIRECTORY *directory;
  const IMAGE_NT_HEADERS64 *headers;
  g_autofree char *cause = NULL;
  guint64 offset;
  Image image;

  if (BH_SUCCEEDED(image_map(path, &image)) && BH_SUCCEEDED(inspect(&image, path, &cause))) {
    headers = image_headers(&image, &offset);
    directory = &headers->OptionalHeader.DataDirectory[IMAGE_DIRECTORY_ENTRY_IMPORT];
    for (guint64 i = 0; i < IMPORTS_MAX && directory->VirtualAddress != 0; i++) {
      const IMAGE_IMPORT_DESCRIPTOR *import =
          image_at_address(&image, directory->VirtualAddress + i * sizeof *import, sizeof *import);
      const char *name;
      if (import == NULL || import->Name == 0) break;
      name = image_at_address(&image, import->Name, 1);
      if (name != NULL) {
        gsize left = (gsize)(image.bytes + image.size - (const guint8 *)name);
        gsize length = strnlen(name, MIN(left, DLL_NAME_MAX));
        if (length < MIN(left, DLL_NAME_MAX)) g_ptr_array_add(names, g_strndup(name, length));
      }
    }
  }
  image_unmap(&image);
  return names;
}

/* Whether Windows has it. By loading it, as only the loader knows the names that stand for no file
 * (api-ms-win-…). */
static gboolean is_system_dll(const char *name) {
  g_autofree wchar_t *wide = bh_wire_wide(name);
  HMODULE module;

  if (wide == NULL || strpbrk(name, "/\\:") != NULL) return FALSE;
  module = LoadLibraryExW(wide, NULL, LOAD_LIBRARY_SEARCH_SYSTEM32);
  if (module != NULL) FreeLibrary(module);
  return module != NULL;
}

/* The first of path's imports that is nowhere. */
static char *missing_import(const char *path, gboolean look_inside) {
  g_autoptr(GPtrArray) names = imported_dlls(path);
  g_autofree char *folder = g_path_get_dirname(path);

  for (guint i = 0; i < names->len; i++) {
    const char *name = names->pdata[i];
    g_autofree char *beside = g_build_filename(folder, name, NULL);
    g_autofree char *missing = NULL;
    if (!g_file_test(beside, G_FILE_TEST_EXISTS)) {
      if (!is_system_dll(name)) return g_strdup(name);
    } else if (look_inside) {
      missing = missing_import(beside, FALSE);
      if (missing != NULL) return g_strdup_printf("%s (imported by %s)", missing, name);
    }
  }
  return NULL;
}

char *bh_plugin_file_missing_dll(const char *path) {
  return missing_import(path, TRUE);
}
