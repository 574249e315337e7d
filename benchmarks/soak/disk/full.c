/* Preloaded into a training: writes to the paths that a shared page names fail as on a full disk, with ENOSPC.

   The page (TRIALMAKER_SOAK_FULL, a file of 4096 bytes) holds how many matching writes still succeed, how many have failed, and a
   pattern of fnmatch(3), empty for a disk with space. A file can be created and renamed on such a disk, not written. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct page {
    volatile int32_t spare, failed;
    char pattern[4088];
};

static struct page *page;

__attribute__((constructor)) static void map_page(void) {
    const char *path = getenv("TRIALMAKER_SOAK_FULL");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *memory = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    page = memory == MAP_FAILED ? NULL : memory;
    close(file);
}

static int is_full(int file) {
    if (!page || !page->pattern[0]) return 0;
    int before = errno;
    char link[40], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length <= 0) return 0;
    path[length] = 0;
    if (fnmatch(page->pattern, path, 0) != 0) return 0;
    if (__sync_fetch_and_sub(&page->spare, 1) > 0) return 0;
    page->spare = 0;
    __sync_fetch_and_add(&page->failed, 1);
    errno = ENOSPC;
    return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define GUARDED(result, name, file, refused, parameters, arguments) \
    result name parameters {                                        \
        static __typeof__(&name) next;                              \
        if (!next) next = NEXT(name);                               \
        return is_full(file) ? (refused) : next arguments;          \
    }

GUARDED(ssize_t, write, file, -1, (int file, const void *data, size_t size), (file, data, size))
GUARDED(ssize_t, pwrite, file, -1, (int file, const void *data, size_t size, off_t at), (file, data, size, at))
GUARDED(ssize_t, pwrite64, file, -1, (int file, const void *data, size_t size, off64_t at), (file, data, size, at))
GUARDED(ssize_t, writev, file, -1, (int file, const struct iovec *parts, int count), (file, parts, count))
GUARDED(int, fallocate, file, -1, (int file, int mode, off_t at, off_t size), (file, mode, at, size))
GUARDED(int, posix_fallocate, file, ENOSPC, (int file, off_t at, off_t size), (file, at, size))
GUARDED(ssize_t, sendfile, to, -1, (int to, int from, off_t *at, size_t size), (to, from, at, size))
GUARDED(ssize_t, sendfile64, to, -1, (int to, int from, off64_t *at, size_t size), (to, from, at, size))
GUARDED(ssize_t, copy_file_range, to, -1,
        (int from, off64_t *at, int to, off64_t *place, size_t size, unsigned flags),
        (from, at, to, place, size, flags))
GUARDED(size_t, fwrite, fileno(stream), 0,
        (const void *data, size_t size, size_t count, FILE *stream), (data, size, count, stream))
