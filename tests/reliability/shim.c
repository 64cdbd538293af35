/* Strikes at the k-th call to the file system: LD_PRELOAD for the processes of one experiment.

   Every call that concerns a file below `prefix` is counted, over all processes together. At the `target`-th the whole
   experiment is killed or frozen, or the call fails with `error`, moves fewer bytes than it was asked to, or writes a
   wrong one.
   The page is shared with the experimenter; its layout is that of shim.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { NOTHING, KILL, FREEZE, FAIL, SHORTEN, GARBLE };
enum { MOST_PROCESSES = 64 };

struct page {
    uint32_t is_armed, action;
    uint64_t counter, target;
    int32_t error;
    uint32_t stays; /* every later call fails as well */
    uint64_t struck; /* how often */
    uint32_t processes;
    int32_t pids[MOST_PROCESSES];
    char call[32]; /* the one that was struck */
    char prefix[512];
    char only[32]; /* count calls of this name alone; empty: all */
};

static struct page *page;

static void enroll(void) {
    uint32_t place = __atomic_fetch_add(&page->processes, 1, __ATOMIC_SEQ_CST);
    if (place < MOST_PROCESSES) page->pids[place] = getpid();
}

static void enroll_child(void) { if (page && page->is_armed) enroll(); }

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("SYNCF_SHIM_PAGE");
    if (!name) return;
    int fd = syscall(SYS_openat, AT_FDCWD, name, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) return;
    void *found = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (found == MAP_FAILED) return;
    page = found;
    pthread_atfork(NULL, NULL, enroll_child);
    if (page->is_armed) enroll();
}

static void signal_all(int number) {
    uint32_t count = page->processes < MOST_PROCESSES ? page->processes : MOST_PROCESSES;
    pid_t self = getpid();
    for (uint32_t i = 0; i < count; i++)
        if (page->pids[i] != self) kill(page->pids[i], number);
    kill(self, number);
}

static int is_below(const char *path) {
    size_t length = strlen(page->prefix);
    return strncmp(path, page->prefix, length) == 0;
}

static int concerns(int fd, const char *path) {
    char link[40], where[PATH_MAX];
    if (path && path[0] == '/') return is_below(path);
    if (fd == AT_FDCWD) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = syscall(SYS_readlinkat, AT_FDCWD, link, where, sizeof where - 1);
    if (size <= 0) return 0;
    where[size] = 0;
    return is_below(where);
}

/* What to do with this call: NOTHING (do it), FAIL (errno is set), SHORTEN or GARBLE. */
static int strike(const char *call, int fd, const char *path) {
    if (!page || !page->is_armed || !concerns(fd, path)) return NOTHING;
    if (page->only[0] && strcmp(page->only, call)) return NOTHING;
    uint64_t number = __atomic_add_fetch(&page->counter, 1, __ATOMIC_SEQ_CST);
    if (number != page->target && !(page->stays && page->target && number > page->target)) return NOTHING;
    __atomic_add_fetch(&page->struck, 1, __ATOMIC_SEQ_CST);
    if (number == page->target) strncpy(page->call, call, sizeof page->call - 1);
    if (page->action == KILL) { signal_all(SIGKILL); for (;;) pause(); }
    if (page->action == FREEZE) { signal_all(SIGSTOP); return NOTHING; }
    if (page->action == FAIL) { errno = page->error; return FAIL; }
    return page->action;
}


#define FD_CALL(type, name, fd, path, declared, ...) \
    type name declared { \
        static type (*real) declared; \
        if (!real) real = (type (*) declared)dlsym(RTLD_NEXT, #name); \
        return strike(#name, fd, path) == FAIL ? (type)-1 : real(__VA_ARGS__); \
    }

FD_CALL(int, fsync, fd, NULL, (int fd), fd)
FD_CALL(int, fdatasync, fd, NULL, (int fd), fd)
FD_CALL(int, syncfs, fd, NULL, (int fd), fd)
FD_CALL(int, ftruncate, fd, NULL, (int fd, off_t size), fd, size)
FD_CALL(int, ftruncate64, fd, NULL, (int fd, off64_t size), fd, size)
FD_CALL(int, flock, fd, NULL, (int fd, int how), fd, how)
FD_CALL(int, fchmod, fd, NULL, (int fd, mode_t mode), fd, mode)
FD_CALL(int, fchown, fd, NULL, (int fd, uid_t user, gid_t group), fd, user, group)
FD_CALL(int, futimens, fd, NULL, (int fd, const struct timespec times[2]), fd, times)
FD_CALL(int, fchmodat, fd, path, (int fd, const char *path, mode_t mode, int flags), fd, path, mode, flags)
FD_CALL(int, fchownat, fd, path, (int fd, const char *path, uid_t user, gid_t group, int flags), fd, path, user, group, flags)
FD_CALL(int, utimensat, fd, path, (int fd, const char *path, const struct timespec times[2], int flags), fd, path, times, flags)
FD_CALL(int, mkdirat, fd, path, (int fd, const char *path, mode_t mode), fd, path, mode)
FD_CALL(int, unlinkat, fd, path, (int fd, const char *path, int flags), fd, path, flags)
FD_CALL(int, unlink, AT_FDCWD, path, (const char *path), path)
FD_CALL(int, mkdir, AT_FDCWD, path, (const char *path, mode_t mode), path, mode)
FD_CALL(int, symlinkat, fd, path, (const char *target, int fd, const char *path), target, fd, path)
FD_CALL(int, renameat, fd, path, (int fd, const char *path, int to, const char *name), fd, path, to, name)
FD_CALL(int, renameat2, fd, path, (int fd, const char *path, int to, const char *name, unsigned flags), fd, path, to, name, flags)
FD_CALL(ssize_t, readlinkat, fd, path, (int fd, const char *path, char *buffer, size_t size), fd, path, buffer, size)
FD_CALL(ssize_t, read, fd, NULL, (int fd, void *buffer, size_t size), fd, buffer, size)
FD_CALL(ssize_t, pread, fd, NULL, (int fd, void *buffer, size_t size, off_t at), fd, buffer, size, at)
FD_CALL(ssize_t, pread64, fd, NULL, (int fd, void *buffer, size_t size, off64_t at), fd, buffer, size, at)
FD_CALL(ssize_t, preadv, fd, NULL, (int fd, const struct iovec *parts, int count, off_t at), fd, parts, count, at)
FD_CALL(ssize_t, preadv64, fd, NULL, (int fd, const struct iovec *parts, int count, off64_t at), fd, parts, count, at)
FD_CALL(ssize_t, preadv2, fd, NULL, (int fd, const struct iovec *parts, int count, off_t at, int flags), fd, parts, count, at, flags)
FD_CALL(ssize_t, preadv64v2, fd, NULL, (int fd, const struct iovec *parts, int count, off64_t at, int flags), fd, parts, count, at, flags)

#define WRITE_CALL(name, declared, ...) \
    ssize_t name declared { \
        static ssize_t (*real) declared; \
        if (!real) real = (ssize_t (*) declared)dlsym(RTLD_NEXT, #name); \
        int what = strike(#name, fd, NULL); \
        if (what == FAIL) return -1; \
        if (what == SHORTEN && size > 1) size /= 2; \
        if (what == GARBLE && size > 0) { \
            char *wrong = malloc(size); \
            memcpy(wrong, buffer, size); \
            wrong[size / 2] ^= 1; \
            buffer = wrong; \
            ssize_t done = real(__VA_ARGS__); \
            free(wrong); \
            return done; \
        } \
        return real(__VA_ARGS__); \
    }

WRITE_CALL(write, (int fd, const void *buffer, size_t size), fd, buffer, size)
WRITE_CALL(pwrite, (int fd, const void *buffer, size_t size, off_t at), fd, buffer, size, at)
WRITE_CALL(pwrite64, (int fd, const void *buffer, size_t size, off64_t at), fd, buffer, size, at)

#define OPEN_CALL(name, fd, declared, ...) \
    int name declared { \
        static int (*real)(__typeof__(fd), const char *, int, ...); \
        mode_t mode = 0; \
        if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); } \
        if (!real) real = (int (*)(__typeof__(fd), const char *, int, ...))dlsym(RTLD_NEXT, #name); \
        return strike("open", fd, path) == FAIL ? -1 : real(__VA_ARGS__, mode); \
    }

OPEN_CALL(openat, fd, (int fd, const char *path, int flags, ...), fd, path, flags)
OPEN_CALL(openat64, fd, (int fd, const char *path, int flags, ...), fd, path, flags)

static int open_path(const char *path, int flags, mode_t mode) {
    if (strike("open", AT_FDCWD, path) == FAIL) return -1;
    int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    return fd;
}

int open(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest);
    return open_path(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list rest; va_start(rest, flags); mode_t mode = va_arg(rest, mode_t); va_end(rest);
    return open_path(path, flags | O_LARGEFILE, mode);
}

/* openat2 has no function of its own in the C library. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    long a, b, c, d, e, f;
    va_list rest; va_start(rest, number);
    a = va_arg(rest, long); b = va_arg(rest, long); c = va_arg(rest, long);
    d = va_arg(rest, long); e = va_arg(rest, long); f = va_arg(rest, long);
    va_end(rest);
    if (!real) real = (long (*)(long, ...))dlsym(RTLD_NEXT, "syscall");
    if (number == SYS_openat2 && strike("open", (int)a, (const char *)b) == FAIL) return -1;
    return real(number, a, b, c, d, e, f);
}
