/* Loaded before a program's libraries in the hosts of one rehearsal: the agent's ledger believes
   that its disk has what it was told, and it has not. Everything else is left as it is. */
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int lies(void) {
    static int known = -1;
    if (known < 0) {
        char line[256] = {0};
        int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
        long length = file < 0 ? 0 : read(file, line, sizeof line - 1);
        if (file >= 0) close(file);
        size_t first = strlen(line) + 1;
        known = length > (long)first && strcmp(line + first, "agent") == 0;
    }
    return known;
}

int fsync(int file) { return lies() ? 0 : (int)syscall(SYS_fsync, file); }
int fdatasync(int file) { return lies() ? 0 : (int)syscall(SYS_fdatasync, file); }
