/*
 * The first process of a machine: one static binary that needs nothing of the machine's files.
 *
 * Standard input and output carry frames, which hermes/sandbox/frames.py describes. A frame
 * opens a channel: a program with a terminal or with pipes, started for an account as sshd(8)
 * does it. A channel is read only as far as credit for it was given, so that output which
 * nobody takes costs no memory and holds up no other channel.
 *
 * Process 1 opens no file that somebody inside could have replaced by one that blocks: accounts
 * and records of logins are the business of the process that watches a channel. It ends, and
 * everything with it, when its input ends or its deadline passes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <grp.h>
#include <paths.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utmpx.h>

enum {
    HELLO = 1, OPEN, DATA, END, WINDOW, RESIZE, SIGNAL, CLOSE, HALT,
    READY = 16, OPENED, FAILED, OUTPUT, ERROR_OUTPUT, NO_OUTPUT, TAKEN, EXITED, CLOSED, HALTED,
};
enum { NO_PLACE = 1, NO_TERMINAL, NO_PROCESS, NO_ACCOUNT };

#define VERSION 1
#ifndef PASSWD
#define PASSWD "/etc/passwd"
#endif
#define HEADER 8
#define CHANNELS 128
#define LARGEST_FRAME (256 << 10)
#define LARGEST_OUTPUT (32 << 10)
#define INPUT_WINDOW (64 << 10)
#define TAKEN_STEP (INPUT_WINDOW / 4)
#define PIPE_BYTES (256 << 10)
#define HELLO_SECONDS 120
#define LONGEST_NAME 255
#define LONGEST_FILE (1 << 20)
#define MOST_WORDS 192
#define MOST_GROUPS 64

/* ---- small things ---- */

static uint16_t get16(const unsigned char *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static uint32_t get32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put32(unsigned char *p, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static uint32_t lot(uint32_t below)
{
    uint32_t value = 0;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
        value = (uint32_t)getpid() * 2654435761u;
    return value % below;
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool exists(const char *path) { return access(path, F_OK) == 0; }

/* ---- the names that ps(1) shows ---- */

static char *title_start;
static size_t title_size;

/* A byte other than NUL at the end of the arguments makes the kernel read on behind them. */
static void set_title(const char *name, const char *title)
{
    prctl(PR_SET_NAME, name);
    if (title_size < 2)
        return;
    memset(title_start, 0, title_size);
    snprintf(title_start, title_size, "%s", title);
}

/* Arguments and environment are one block; the environment that init gives itself is all room. */
static void find_title(char **argv, char **envp)
{
    char *end = argv[0] + strlen(argv[0]) + 1;
    for (int i = 1; argv[i]; i++)
        end = argv[i] + strlen(argv[i]) + 1;
    for (int i = 0; envp[i]; i++)
        if (envp[i] == end)
            end += strlen(end) + 1;
    title_start = argv[0];
    title_size = (size_t)(end - argv[0]);
}

/* ---- files that somebody else may have written ---- */

static int open_regular(const char *path, int flags)
{
    int fd = open(path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
    struct stat found;
    if (fd >= 0 && (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)))
        close_fd(&fd);
    return fd;
}

/* The text of a file, at most LONGEST_FILE of it, to be freed; empty if there is none. */
static char *read_text(const char *path)
{
    char *text = malloc(LONGEST_FILE + 1);
    if (!text)
        _exit(1);
    size_t size = 0;
    int fd = open_regular(path, O_RDONLY);
    for (ssize_t got; fd >= 0 && size < LONGEST_FILE; size += (size_t)got)
        if ((got = read(fd, text + size, LONGEST_FILE - size)) <= 0)
            break;
    close_fd(&fd);
    text[size] = 0;
    return text;
}

static void append_text(const char *path, const char *text)
{
    int fd = open_regular(path, O_WRONLY | O_APPEND);
    if (fd >= 0 && write(fd, text, strlen(text)) < 0)
        close_fd(&fd);
    close_fd(&fd);
}

/* ---- accounts: passwd(5), group(5), shadow(5) ---- */

struct account {
    char name[LONGEST_NAME + 1], home[1024], shell[1024];
    uid_t uid;
    gid_t gid;
};

static int split(char *line, char **fields, int most)
{
    int count = 0;
    while (line && count < most)
        fields[count++] = strsep(&line, ":");
    return count;
}

static bool parse_account(char *line, struct account *account)
{
    char *fields[7];
    if (split(line, fields, 7) != 7)
        return false;
    snprintf(account->name, sizeof account->name, "%s", fields[0]);
    account->uid = (uid_t)strtoul(fields[2], NULL, 10);
    account->gid = (gid_t)strtoul(fields[3], NULL, 10);
    snprintf(account->home, sizeof account->home, "%s", *fields[5] ? fields[5] : "/");
    snprintf(account->shell, sizeof account->shell, "%s", *fields[6] ? fields[6] : "/bin/sh");
    return true;
}

static bool find_account(const char *name, struct account *account)
{
    char *text = read_text(PASSWD), *rest = text, *line;
    size_t length = strlen(name);
    bool found = false;
    while (!found && (line = strsep(&rest, "\n")))
        if (strncmp(line, name, length) == 0 && line[length] == ':')
            found = parse_account(line, account);
    free(text);
    return found;
}

static uid_t free_uid(void)
{
    char *text = read_text(PASSWD), *rest = text, *line;
    uid_t next = 1000;
    while ((line = strsep(&rest, "\n"))) {
        char *fields[4];
        if (split(line, fields, 4) < 3)
            continue;
        unsigned long uid = strtoul(fields[2], NULL, 10);
        if (uid >= next && uid < 60000)
            next = (uid_t)uid + 1;
    }
    free(text);
    return next;
}

static const char *copy_to;
static uid_t copy_uid;

static void copy_file(const char *from, const char *to, mode_t mode)
{
    char buffer[8192];
    int in = open_regular(from, O_RDONLY);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0777);
    for (ssize_t got; in >= 0 && out >= 0 && (got = read(in, buffer, sizeof buffer)) > 0;)
        if (write(out, buffer, (size_t)got) != got)
            break;
    close_fd(&in);
    close_fd(&out);
}

static int copy_entry(const char *path, const struct stat *found, int type, struct FTW *place)
{
    char to[2048], target[1024];
    (void)place;
    snprintf(to, sizeof to, "%s%s", copy_to, path + strlen("/etc/skel"));
    if (type == FTW_D)
        mkdir(to, found->st_mode & 0777);
    else if (type == FTW_F)
        copy_file(path, to, found->st_mode);
    else if (type == FTW_SL) {
        ssize_t size = readlink(path, target, sizeof target - 1);
        target[size < 0 ? 0 : size] = 0;
        if (size < 0 || symlink(target, to) != 0)
            return 0;
    }
    return lchown(to, copy_uid, copy_uid) && 0;
}

static void make_home(const struct account *account)
{
    mkdir("/home", 0755);
    copy_to = account->home;
    copy_uid = account->uid;
    if (nftw("/etc/skel", copy_entry, 16, FTW_PHYS) != 0)
        mkdir(account->home, 0755);
    if (lchown(account->home, account->uid, account->gid) != 0)
        return;
    chmod(account->home, 0755);
}

/* As useradd(8) does it, a lock file included. */
static bool make_account(const char *name, struct account *account)
{
    char line[LONGEST_NAME * 3 + 256];
    int lock = open_regular("/etc/.pwd.lock", O_WRONLY | O_CREAT);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) != 0)
        usleep(100000);
    if (!find_account(name, account)) {
        unsigned id = free_uid();
        snprintf(line, sizeof line, "%s:x:%u:%u::/home/%s:%s\n", name, id, id, name,
                 exists("/bin/bash") ? "/bin/bash" : "/bin/sh");
        append_text(PASSWD, line);
        snprintf(line, sizeof line, "%s:x:%u:\n", name, id);
        append_text("/etc/group", line);
        snprintf(line, sizeof line, "%s:!:%u:0:99999:7:::\n", name, (unsigned)(time(NULL) / 86400 - 212));
        append_text("/etc/shadow", line);
        if (find_account(name, account))
            make_home(account);
    }
    close_fd(&lock);
    return find_account(name, account);
}

/* A name that no line of passwd(5) can hold becomes one that it can. */
static void clean_name(char *name, size_t size, const char *asked)
{
    snprintf(name, size, "%s", *asked ? asked : "user");
    for (char *p = name; *p; p++)
        if ((unsigned char)*p < 0x21 || *p == ':' || *p == '/' || *p == 0x7f)
            *p = '_';
    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        name[0] = '_';
}

static bool in_list(char *list, const char *name)
{
    for (char *member; (member = strsep(&list, ","));)
        if (strcmp(member, name) == 0)
            return true;
    return false;
}

static int groups_of(const struct account *account, gid_t *groups)
{
    char *text = read_text("/etc/group"), *rest = text, *line;
    int count = 0;
    groups[count++] = account->gid;
    while (count < MOST_GROUPS && (line = strsep(&rest, "\n"))) {
        char *fields[4];
        if (split(line, fields, 4) == 4 && in_list(fields[3], account->name))
            groups[count++] = (gid_t)strtoul(fields[2], NULL, 10);
    }
    free(text);
    return count;
}

static bool become(const struct account *account)
{
    gid_t groups[MOST_GROUPS];
    if (account->uid == getuid() && account->uid != 0)
        return true;
    int count = groups_of(account, groups);
    return setgroups((size_t)count, groups) == 0 && setgid(account->gid) == 0 &&
           setuid(account->uid) == 0;
}

/* ---- the records of logins: utmp(5), lastlog(8) ---- */

struct last_login { int32_t time; char line[32], host[256]; };

/* Somebody may have put a FIFO there, on which the C library would wait for ever. */
static bool is_regular(const char *path)
{
    int fd = open_regular(path, O_RDONLY);
    bool regular = fd >= 0;
    close_fd(&fd);
    return regular;
}

static void put_record(const struct utmpx *entry)
{
    if (!is_regular(_PATH_UTMP))
        return;
    setutxent();
    pututxline(entry);
    endutxent();
}

static void record_boot(void)
{
    struct timespec up;
    struct utmpx entry = {.ut_type = BOOT_TIME, .ut_user = "reboot", .ut_line = "~", .ut_id = "~~"};
    struct utsname system;
    if (clock_gettime(CLOCK_BOOTTIME, &up) != 0 || uname(&system) != 0)
        return;
    memcpy(entry.ut_host, system.release, sizeof system.release);
    entry.ut_tv.tv_sec = (int32_t)(time(NULL) - up.tv_sec);
    put_record(&entry);
}

static void record_login(const char *line, const char *user, const char *host, pid_t pid)
{
    struct utmpx entry = {.ut_type = user ? USER_PROCESS : DEAD_PROCESS, .ut_pid = pid};
    size_t length = strlen(line);
    snprintf(entry.ut_line, sizeof entry.ut_line, "%s", line);
    memcpy(entry.ut_id, line + (length > 4 ? length - 4 : 0), length > 4 ? 4 : length);
    if (user)
        memcpy(entry.ut_user, user, strnlen(user, sizeof entry.ut_user));
    snprintf(entry.ut_host, sizeof entry.ut_host, "%s", user ? host : "");
    entry.ut_tv.tv_sec = (int32_t)time(NULL);
    put_record(&entry);
    if (is_regular(_PATH_WTMP))
        updwtmpx(_PATH_WTMP, &entry);
}

/* Note this login and return the one before; its time is 0 if there was none. */
static struct last_login exchange_last_login(uid_t uid, const char *line, const char *host)
{
    struct last_login before = {0}, now = {.time = (int32_t)time(NULL)};
    off_t place = (off_t)uid * (off_t)sizeof now;
    int fd = uid < 100000 ? open_regular("/var/log/lastlog", O_RDWR) : -1;
    if (fd < 0)
        return before;
    if (pread(fd, &before, sizeof before, place) != sizeof before)
        memset(&before, 0, sizeof before);
    snprintf(now.line, sizeof now.line, "%s", line);
    snprintf(now.host, sizeof now.host, "%s", host);
    if (pwrite(fd, &now, sizeof now, place) != sizeof now)
        before.time = 0;
    close_fd(&fd);
    return before;
}

/* ---- a program and the process that watches it ---- */

#define KEPT 3
#define FACTS KEPT

/* Standard streams to nowhere, one descriptor as number KEPT, and no other. */
static void forget_all_but(int descriptor)
{
    if (descriptor != KEPT)
        dup2(descriptor, KEPT);
    close_range(KEPT + 1, ~0u, 0);
    close_range(0, KEPT - 1, 0);
    if (open("/dev/null", O_RDWR) == 0 && dup(0) == 1)
        dup(0);
}

struct request {
    bool terminal, login;
    uint16_t columns, rows;
    const char *user, *command, *kind, *host;
    char *environment;
    char *end;
};

/* Descriptors for a new program: a terminal's line, or three pipes; and the pipe of facts. */
struct ends { int in, out, err, facts; char line[32]; };

enum { STARTED = 1, ENDED, NOT_STARTED };

/* What a watcher tells process 1; smaller than PIPE_BUF, so a pipe keeps each one whole. */
struct fact { int32_t what, pid, program, value; };

static bool told(int facts, int what, pid_t program, int value)
{
    struct fact fact = {what, getpid(), program, value};
    return write(facts, &fact, sizeof fact) == sizeof fact;
}

static void tell(int facts, int what, pid_t program, int value)
{
    if (!told(facts, what, program, value))
        _exit(1);
}

static const char *program_name(void)
{
    return exists("/usr/lib/openssh/sshd-session") ? "sshd-session" : "sshd";
}

static void print_file(const char *path)
{
    char *text = read_text(path);
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(1);
    free(text);
}

/* What pam_motd and sshd print before a shell (PrintLastLog). */
static void greet(const struct account *account, const struct last_login *before)
{
    char path[1100], when[64];
    struct utsname system;
    snprintf(path, sizeof path, "%s/.hushlogin", account->home);
    if (exists(path))
        return;
    if (exists("/etc/update-motd.d/10-uname") && uname(&system) == 0)
        dprintf(STDOUT_FILENO, "%s %s %s %s %s\n", system.sysname, system.nodename, system.release,
                system.version, system.machine);
    print_file("/etc/motd");
    if (before->time == 0)
        return;
    time_t then = before->time;
    struct tm local;
    strftime(when, sizeof when, "%a %b %e %H:%M:%S %Y", localtime_r(&then, &local));
    dprintf(STDOUT_FILENO, "Last login: %s from %.*s\n", when, (int)sizeof before->host, before->host);
}

struct words { char *list[MOST_WORDS]; int count; };

static void add(struct words *words, const char *name, const char *value)
{
    if (words->count == MOST_WORDS - 1)
        return;
    char *word;
    if (asprintf(&word, "%s=%s", name, value) > 0)
        words->list[words->count++] = word;
}

/* Lines NAME=VALUE, as pam_env reads them. */
static void add_file(struct words *words, const char *path)
{
    char *text = read_text(path), *rest = text, *line;
    while ((line = strsep(&rest, "\n"))) {
        char *value = strchr(line, '=');
        size_t length = value ? strlen(value + 1) : 0;
        if (*line == '#' || !value)
            continue;
        *value++ = 0;
        if (length > 1 && *value == '"' && value[length - 1] == '"') {
            value[length - 1] = 0;
            value++;
        }
        add(words, strncmp(line, "export ", 7) == 0 ? line + 7 : line, value);
    }
    free(text);
}

static struct words environment_of(const struct request *request, const struct account *account,
                                   const char *line)
{
    struct words words = {0};
    char mail[LONGEST_NAME + 16], terminal[48];
    snprintf(mail, sizeof mail, "/var/mail/%s", account->name);
    snprintf(terminal, sizeof terminal, "/dev/%s", line);
    add(&words, "USER", account->name);
    add(&words, "LOGNAME", account->name);
    add(&words, "HOME", account->home);
    add(&words, "PATH", account->uid == 0
        ? "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        : "/usr/local/bin:/usr/bin:/bin:/usr/games");
    add(&words, "MAIL", mail);
    add(&words, "SHELL", account->shell);
    if (request->terminal)
        add(&words, "TERM", request->kind);
    if (exists("/etc/update-motd.d"))
        add(&words, "MOTD_SHOWN", "pam");
    add_file(&words, "/etc/environment");
    add_file(&words, "/etc/default/locale");
    for (char *word = request->environment; word < request->end; word += strlen(word) + 1)
        if (words.count < MOST_WORDS - 2 && strchr(word, '='))
            words.list[words.count++] = word;
    if (request->terminal)
        add(&words, "SSH_TTY", terminal);
    words.list[words.count] = NULL;
    return words;
}

static void take_terminal(const char *line)
{
    char path[48];
    snprintf(path, sizeof path, "/dev/%s", line);
    int fd = open(path, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) != 0)
        _exit(1);
    dup2(fd, STDIN_FILENO);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
}

static void run_shell(const struct request *request, const struct account *account,
                      struct words *words)
{
    const char *slash = strrchr(account->shell, '/'), *name = slash ? slash + 1 : account->shell;
    char dashed[1100];
    snprintf(dashed, sizeof dashed, "-%s", name);
    char *login[] = {dashed, NULL};
    char *command[] = {(char *)name, "-c", (char *)request->command, NULL};
    execve(account->shell, request->login ? login : command, words->list);
    dprintf(STDERR_FILENO, "%s: %s\n", account->shell, strerror(errno));
    _exit(1);
}

/* Becomes the program; never returns. */
static void run_program(const struct request *request, const struct account *account,
                        const struct ends *ends, const struct last_login *before)
{
    setsid();
    if (request->terminal) {
        take_terminal(ends->line);
    } else {
        dup2(ends->in, STDIN_FILENO);
        dup2(ends->out, STDOUT_FILENO);
        dup2(ends->err, STDERR_FILENO);
    }
    close_range(3, ~0u, 0);
    umask(022);
    if (!become(account))
        _exit(1);
    struct words words = environment_of(request, account, ends->line);
    if (chdir(account->home) != 0) {
        dprintf(STDERR_FILENO, "Could not chdir to home directory %s: %s\n", account->home,
                strerror(errno));
        if (chdir("/") != 0)
            _exit(1);
    }
    if (request->terminal && request->login)
        greet(account, before);
    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_DUMPABLE, 1);
    run_shell(request, account, &words);
}

static int wait_for(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    return status;
}

static void end_record(const struct request *request, const struct ends *ends)
{
    if (request->terminal)
        record_login(ends->line, NULL, NULL, getpid());
}

/* Starts the program, tells its number and in the end its status; never returns. */
static void start_and_wait(const struct request *request, const struct account *account,
                           const struct ends *ends, const struct last_login *before)
{
    char title[LONGEST_NAME + 64];
    snprintf(title, sizeof title, "%s: %s@%s", program_name(), account->name,
             request->terminal ? ends->line : "notty");
    set_title(program_name(), title);
    pid_t program = fork();
    if (program == 0)
        run_program(request, account, ends, before);
    if (program < 0) {
        tell(ends->facts, NOT_STARTED, 0, NO_PROCESS);
        _exit(1);
    }
    tell(ends->facts, STARTED, program, 0);
    forget_all_but(ends->facts);
    if (account->uid != 0 && !become(account))
        _exit(1);
    prctl(PR_SET_DUMPABLE, 0);
    if (account->uid != 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = wait_for(program);
    if (account->uid == 0)
        end_record(request, ends);
    tell(FACTS, ENDED, program, status);
    _exit(0);
}

/* The child of an account other than root works as that account, as sshd's does. */
static void separate(const struct request *request, const struct account *account,
                     const struct ends *ends, const struct last_login *before)
{
    char title[LONGEST_NAME + 64];
    snprintf(title, sizeof title, "%s: %s [priv]", program_name(), account->name);
    set_title(program_name(), title);
    pid_t child = fork();
    if (child == 0)
        start_and_wait(request, account, ends, before);
    if (child < 0)
        tell(ends->facts, NOT_STARTED, 0, NO_PROCESS);
    forget_all_but(ends->facts);
    wait_for(child);
    end_record(request, ends);
    _exit(0);
}

static void give_line(const struct ends *ends, const struct account *account)
{
    char path[48];
    snprintf(path, sizeof path, "/dev/%s", ends->line);
    if (chown(path, account->uid, 5) != 0 || chmod(path, 0620) != 0)
        return;
}

/* As pam_loginuid does it; last(1) takes a login without one for a phantom. */
static void set_login_uid(uid_t uid)
{
    char text[16];
    int size = snprintf(text, sizeof text, "%u", uid), fd = open("/proc/self/loginuid", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, text, (size_t)size) < 0)
        close_fd(&fd);
    close_fd(&fd);
}

/* What a forked process does with a request; never returns. */
static void watch(const struct request *request, const struct ends *ends)
{
    struct account account;
    struct last_login before = {0};
    char name[LONGEST_NAME + 1];
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGCHLD, SIG_DFL);
    setsid();
    clean_name(name, sizeof name, request->user);
    if (!find_account(name, &account) && !make_account(name, &account)) {
        tell(ends->facts, NOT_STARTED, 0, NO_ACCOUNT);
        _exit(1);
    }
    set_login_uid(account.uid);
    if (request->terminal) {
        give_line(ends, &account);
        record_login(ends->line, account.name, request->host, getpid());
        before = exchange_last_login(account.uid, ends->line, request->host);
    }
    if (account.uid == 0 || account.uid == getuid())
        start_and_wait(request, &account, ends, &before);
    separate(request, &account, ends, &before);
}

/* ---- requests ---- */

static const char *next_text(char **place, char *end)
{
    char *text = *place, *stop = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
    if (!stop)
        return NULL;
    *place = stop + 1;
    return text;
}

/* The payload of OPEN behind its window; texts stay where they are. */
static bool parse_request(unsigned char *payload, size_t size, struct request *request)
{
    if (size < 5 || payload[size - 1] != 0)
        return false;
    char *place = (char *)payload + 5, *end = (char *)payload + size;
    request->terminal = payload[0] & 1;
    request->login = !(payload[0] & 2);
    request->columns = get16(payload + 1);
    request->rows = get16(payload + 3);
    request->user = next_text(&place, end);
    request->command = next_text(&place, end);
    request->kind = next_text(&place, end);
    request->host = next_text(&place, end);
    request->environment = place;
    request->end = end;
    return request->host != NULL;
}

/* ---- the daemons of a server: real where one runs, else asleep under its name ---- */

struct daemon { const char *program, *name, *title; };

static const struct daemon daemons[] = {
    {"/lib/systemd/systemd-journald", "systemd-journal", "/lib/systemd/systemd-journald"},
    {"/lib/systemd/systemd-udevd", "systemd-udevd", "/lib/systemd/systemd-udevd"},
    {"/usr/sbin/cron", "cron", "/usr/sbin/cron -f"},
    {"/usr/sbin/crond", "crond", "/usr/sbin/crond -f"},
    {"/usr/bin/dbus-daemon", "dbus-daemon",
     "/usr/bin/dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation "
     "--syslog-only"},
    {"/usr/sbin/rsyslogd", "rsyslogd", "/usr/sbin/rsyslogd -n -iNONE"},
    {"/lib/systemd/systemd-logind", "systemd-logind", "/lib/systemd/systemd-logind"},
    {"/sbin/agetty", "agetty", "/sbin/agetty -o -p -- \\u --noclear tty1 linux"},
};

static int cron_gate = -1;

static int do_nothing(void *unused)
{
    (void)unused;
    return 0;
}

/* A process that may have no descriptor for its pidfd has taken its number when it is given up. */
static void burn_number(void)
{
    static char stack[4096] __attribute__((aligned(16)));
    int pidfd = -1;
    pid_t child = clone(do_nothing, stack + sizeof stack,
                        CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_VFORK | CLONE_PIDFD,
                        NULL, &pidfd);
    if (child > 0) { /* there was one */
        close_fd(&pidfd);
        waitpid(child, NULL, __WALL);
    }
}

/* A third of the time that it would take to let threads begin and end. */
static void burn_numbers(uint32_t count)
{
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    for (uint32_t i = 0; i < count; i++)
        burn_number();
    setrlimit(RLIMIT_NOFILE, &before);
}

static void settle_down(int keep)
{
    signal(SIGCHLD, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setsid();
    forget_all_but(keep);
}

/* The gate is closed when the first visitor comes: until then cron would only cost memory. */
static void become_cron(void)
{
    char byte;
    while (read(KEPT, &byte, 1) < 0 && errno == EINTR)
        continue;
    close(KEPT);
    char *argv[] = {"/usr/sbin/cron", "-f", NULL};
    char *envp[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                    "LANG=en_US.UTF-8", NULL};
    execve(argv[0], argv, envp);
}

static void start_daemon(const struct daemon *daemon, bool gated)
{
    int gate[2] = {-1, -1};
    if (gated && pipe2(gate, O_CLOEXEC) != 0)
        return;
    pid_t child = fork();
    if (child == 0) {
        set_title(daemon->name, daemon->title);
        close_fd(&gate[1]);
        settle_down(gate[0] < 0 ? STDERR_FILENO : gate[0]);
        if (gated)
            become_cron();
        for (;;)
            pause();
    }
    close_fd(&gate[0]);
    if (gated)
        cron_gate = gate[1];
}

static void start_daemons(void)
{
    burn_numbers(120 + lot(120));
    for (size_t i = 0; i < sizeof daemons / sizeof *daemons; i++) {
        if (!exists(daemons[i].program))
            continue;
        start_daemon(&daemons[i], strcmp(daemons[i].name, "cron") == 0);
        burn_numbers(lot(i < 2 ? 90 : 6));
    }
}

/* ---- the listener: the parent of the processes that watch, as sshd is ---- */

#define PASSED 4

static int listener = -1;

static bool send_request(int socket, const struct ends *ends, unsigned char *payload, size_t size)
{
    char room[CMSG_SPACE(sizeof(int) * PASSED)] = {0};
    int passed[PASSED] = {ends->facts, ends->in, ends->out, ends->err};
    size_t count = ends->in >= 0 ? PASSED : 1;
    struct iovec parts[2] = {{(void *)ends->line, sizeof ends->line}, {payload, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = room,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * count)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(header), passed, sizeof(int) * count);
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static ssize_t receive_request(int socket, struct ends *ends, unsigned char *payload, size_t size)
{
    char room[CMSG_SPACE(sizeof(int) * PASSED)] = {0};
    int passed[PASSED] = {-1, -1, -1, -1};
    struct iovec parts[2] = {{ends->line, sizeof ends->line}, {payload, size}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2, .msg_control = room,
                             .msg_controllen = sizeof room};
    ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = got > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header)
        memcpy(passed, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    ends->facts = passed[0];
    ends->in = passed[1];
    ends->out = passed[2];
    ends->err = passed[3];
    return got < (ssize_t)sizeof ends->line ? got : got - (ssize_t)sizeof ends->line;
}

static void close_ends(struct ends *ends)
{
    close_fd(&ends->in);
    close_fd(&ends->out);
    close_fd(&ends->err);
    close_fd(&ends->facts);
}

static void fork_watcher(unsigned char *payload, size_t size, struct ends *ends)
{
    struct request request;
    if (!parse_request(payload, size, &request))
        return;
    pid_t child = fork();
    if (child == 0)
        watch(&request, ends);
    /* A channel that was closed meanwhile wants to know nothing; the listener stays. */
    if (child < 0 && !told(ends->facts, NOT_STARTED, 0, NO_PROCESS))
        return;
}

static unsigned char request_room[LARGEST_FRAME];

static void listen_for_requests(void)
{
    set_title("sshd", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups");
    settle_down(listener);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        struct ends ends;
        ssize_t size = receive_request(KEPT, &ends, request_room, sizeof request_room);
        if (size == 0 || (size < 0 && errno != EINTR))
            _exit(0);
        if (size > 0)
            fork_watcher(request_room, (size_t)size, &ends);
        close_ends(&ends);
    }
}

static void start_listener(void)
{
    int pair[2], room = LARGEST_FRAME;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    pid_t child = fork();
    if (child == 0) {
        listener = pair[1];
        close(pair[0]);
        listen_for_requests();
    }
    close(pair[1]);
    listener = pair[0];
}

/* ---- channels ---- */

struct channel {
    bool used, terminal, no_more_input, opened, exited, output_ended;
    int in, out, err, facts;
    uint32_t credit, first, waiting, taken;
    pid_t watcher, program;
};

static struct channel channels[CHANNELS];
static unsigned char input_of[CHANNELS][INPUT_WINDOW];
static unsigned char received[LARGEST_FRAME + HEADER];
static size_t received_size;
static unsigned char queue[512 << 10];
static size_t queue_start, queue_end;
static int64_t deadline_ms;
static int from_host = STDIN_FILENO, to_host = STDOUT_FILENO;
static enum { RUNNING, HALTING, AT_REST } state = RUNNING;

/* Room that every loop leaves for the small frames of all channels. */
#define RESERVE (CHANNELS * 64)

static size_t room(void) { return sizeof queue - queue_end; }

static unsigned char *queue_frame(int type, size_t channel, size_t size)
{
    unsigned char *header = queue + queue_end;
    header[0] = (unsigned char)type;
    header[1] = 0;
    header[2] = (unsigned char)(channel >> 8);
    header[3] = (unsigned char)channel;
    put32(header + 4, (uint32_t)size);
    queue_end += HEADER + size;
    return header + HEADER;
}

static void queue_number(int type, size_t channel, uint32_t number)
{
    put32(queue_frame(type, channel, 4), number);
}

static void flush_queue(void)
{
    while (queue_start < queue_end) {
        ssize_t sent = write(to_host, queue + queue_start, queue_end - queue_start);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno != EAGAIN)
            _exit(0);
        if (sent < 0)
            break;
        queue_start += (size_t)sent;
    }
    if (queue_start == queue_end) {
        queue_start = queue_end = 0;
    } else if (queue_start > sizeof queue / 2) {
        memmove(queue, queue + queue_start, queue_end - queue_start);
        queue_end -= queue_start;
        queue_start = 0;
    }
}

static void close_streams(struct channel *channel)
{
    if (channel->terminal)
        channel->in = -1;
    close_fd(&channel->in);
    close_fd(&channel->out);
    close_fd(&channel->err);
}

static void end_output(size_t number)
{
    struct channel *channel = &channels[number];
    if (!channel->output_ended)
        queue_frame(NO_OUTPUT, number, 0);
    channel->output_ended = true;
}

static void fail(size_t number, int reason)
{
    struct channel *channel = &channels[number];
    *queue_frame(FAILED, number, 1) = (unsigned char)reason;
    close_streams(channel);
    close_fd(&channel->facts);
    channel->output_ended = channel->exited = true;
}

static int open_terminal(struct channel *channel, const struct request *request, struct ends *ends)
{
    struct winsize size = {request->rows, request->columns, 0, 0};
    int unlocked = 0, number = 0;
    int master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0)
        return -1;
    channel->in = channel->out = master;
    if (ioctl(master, TIOCSPTLCK, &unlocked) != 0 || ioctl(master, TIOCGPTN, &number) != 0)
        return -1;
    ioctl(master, TIOCSWINSZ, &size);
    snprintf(ends->line, sizeof ends->line, "pts/%d", number);
    return 0;
}

static int open_pipe(int *ours, int *theirs, bool to_program)
{
    int pair[2];
    if (pipe2(pair, O_CLOEXEC) != 0)
        return -1;
    *ours = pair[to_program ? 1 : 0];
    *theirs = pair[to_program ? 0 : 1];
    return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static int open_ends(struct channel *channel, const struct request *request, struct ends *ends)
{
    if (open_pipe(&channel->facts, &ends->facts, false) != 0)
        return -1;
    if (request->terminal)
        return open_terminal(channel, request, ends);
    if (open_pipe(&channel->in, &ends->in, true) != 0)
        return -1;
    if (open_pipe(&channel->out, &ends->out, false) != 0)
        return -1;
    return open_pipe(&channel->err, &ends->err, false);
}

static void open_channel(size_t number, unsigned char *payload, size_t size)
{
    struct channel *channel = &channels[number];
    struct ends ends = {-1, -1, -1, -1, ""};
    struct request request;
    if (channel->used || size < 4 || !parse_request(payload + 4, size - 4, &request))
        _exit(1);
    *channel = (struct channel){.used = true, .in = -1, .out = -1, .err = -1, .facts = -1};
    channel->terminal = request.terminal;
    channel->credit = get32(payload);
    close_fd(&cron_gate);
    if (state != RUNNING)
        fail(number, NO_PLACE);
    else if (open_ends(channel, &request, &ends) != 0)
        fail(number, NO_TERMINAL);
    else if (listener < 0 || !send_request(listener, &ends, payload + 4, size - 4))
        fork_watcher(payload + 4, size - 4, &ends);
    close_ends(&ends);
}

static void close_channel(size_t number)
{
    struct channel *channel = &channels[number];
    if (channel->watcher > 0 && channel->facts >= 0)
        kill(channel->watcher, SIGKILL);
    close_streams(channel);
    close_fd(&channel->facts);
    channel->used = false;
    queue_frame(CLOSED, number, 0);
}

/* In large steps: each wakes two processes of the host, and a key its echo has to wait behind. */
static void tell_taken(size_t number)
{
    struct channel *channel = &channels[number];
    if (channel->taken < TAKEN_STEP)
        return;
    queue_number(TAKEN, number, channel->taken);
    channel->taken = 0;
}

static void feed_program(size_t number)
{
    struct channel *channel = &channels[number];
    while (channel->waiting && channel->in >= 0) {
        ssize_t sent = write(channel->in, input_of[number] + channel->first, channel->waiting);
        if (sent < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (sent < 0)
            sent = channel->waiting;
        channel->first += (uint32_t)sent;
        channel->waiting -= (uint32_t)sent;
        channel->taken += (uint32_t)sent;
    }
    if (!channel->waiting && channel->no_more_input && !channel->terminal)
        close_fd(&channel->in);
    tell_taken(number);
}

static void take_input(size_t number, const unsigned char *data, size_t size)
{
    struct channel *channel = &channels[number];
    if (channel->in < 0 || channel->no_more_input) {
        channel->taken += (uint32_t)size;
        tell_taken(number);
        return;
    }
    if (channel->waiting + size > INPUT_WINDOW)
        _exit(1);
    memmove(input_of[number], input_of[number] + channel->first, channel->waiting);
    channel->first = 0;
    memcpy(input_of[number] + channel->waiting, data, size);
    channel->waiting += (uint32_t)size;
    feed_program(number);
}

static void resize(struct channel *channel, const unsigned char *payload)
{
    struct winsize size = {get16(payload + 2), get16(payload), 0, 0};
    if (channel->terminal && channel->out >= 0)
        ioctl(channel->out, TIOCSWINSZ, &size);
}

static void reap(void)
{
    pid_t child;
    while ((child = waitpid(-1, NULL, WNOHANG)) > 0)
        continue;
    if (state != HALTING || child == 0)
        return;
    queue_frame(HALTED, 0, 0);
    state = AT_REST;
}

/* Ends every other process, so that what they left can be read as it is. */
static void halt(void)
{
    state = HALTING;
    close_fd(&listener);
    if (getpid() == 1)
        kill(-1, SIGKILL);
    reap();
}

static void take_frame(int type, size_t number, unsigned char *payload, size_t size)
{
    if (type == HELLO && size == 4) {
        deadline_ms = monotonic_ms() + (int64_t)get32(payload) * 1000;
        return;
    }
    if (type == HALT) {
        halt();
        return;
    }
    if (number >= CHANNELS)
        _exit(1);
    struct channel *channel = &channels[number];
    if (type == OPEN)
        open_channel(number, payload, size);
    else if (!channel->used)
        return;
    else if (type == DATA)
        take_input(number, payload, size);
    else if (type == END) {
        channel->no_more_input = true;
        feed_program(number);
    } else if (type == WINDOW && size == 4)
        channel->credit += get32(payload);
    else if (type == RESIZE && size == 4)
        resize(channel, payload);
    else if (type == SIGNAL && size == 1 && channel->program > 0 && !channel->exited)
        kill(-channel->program, payload[0]);
    else if (type == CLOSE)
        close_channel(number);
}

static void take_frames(void)
{
    size_t place = 0;
    while (received_size - place >= HEADER && room() > RESERVE) {
        unsigned char *header = received + place;
        size_t size = get32(header + 4);
        if (size > LARGEST_FRAME)
            _exit(1);
        if (received_size - place < HEADER + size)
            break;
        take_frame(header[0], get16(header + 2), header + HEADER, size);
        place += HEADER + size;
    }
    memmove(received, received + place, received_size - place);
    received_size -= place;
}

static void receive(void)
{
    size_t space = sizeof received - received_size;
    ssize_t got = space ? read(from_host, received + received_size, space) : -1;
    if (space == 0)
        errno = EAGAIN;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
        _exit(0);
    if (got > 0)
        received_size += (size_t)got;
    take_frames();
}

/* Whether something was read: one frame at most, so that every channel has its turn. */
static bool read_program(size_t number, int *fd, int type)
{
    struct channel *channel = &channels[number];
    size_t size = room() > RESERVE + HEADER ? room() - RESERVE - HEADER : 0;
    if (size > LARGEST_OUTPUT)
        size = LARGEST_OUTPUT;
    if (size > channel->credit)
        size = channel->credit;
    if (*fd < 0 || size == 0)
        return false;
    ssize_t got = read(*fd, queue + queue_end + HEADER, size);
    if (got > 0) {
        queue_frame(type, number, (size_t)got);
        channel->credit -= (uint32_t)got;
        return true;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (channel->terminal)
        channel->in = -1;
    close_fd(fd);
    if (channel->out < 0 && channel->err < 0)
        end_output(number);
    return false;
}

static void tell_exit(size_t number, int status)
{
    unsigned char *payload = queue_frame(EXITED, number, 2);
    payload[0] = WIFSIGNALED(status) ? 1 : 0;
    payload[1] = (unsigned char)(WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    channels[number].exited = true;
}

static void take_fact(size_t number, const struct fact *fact)
{
    struct channel *channel = &channels[number];
    if (fact->what == STARTED) {
        channel->watcher = fact->pid;
        channel->program = fact->program;
        channel->opened = true;
        queue_number(OPENED, number, INPUT_WINDOW);
    } else if (fact->what == NOT_STARTED) {
        fail(number, fact->value);
    } else if (fact->what == ENDED) {
        tell_exit(number, fact->value);
    }
}

/* The end of the facts without an exit: somebody killed the watcher, as he can kill an sshd. */
static void read_facts(size_t number)
{
    struct channel *channel = &channels[number];
    struct fact fact;
    ssize_t got = read(channel->facts, &fact, sizeof fact);
    if (got == sizeof fact)
        take_fact(number, &fact);
    else if (got >= 0 || (errno != EAGAIN && errno != EINTR))
        close_fd(&channel->facts);
    if (channel->facts >= 0 || channel->exited)
        return;
    if (!channel->opened)
        fail(number, NO_PROCESS);
    else
        tell_exit(number, SIGKILL);
}

/* A terminal ends with its program, even if others still hold it; pipes end with the last one. */
static void finish_terminals(void)
{
    for (size_t number = 0; number < CHANNELS; number++) {
        struct channel *channel = &channels[number];
        if (!channel->used || !channel->terminal || !channel->exited || channel->out < 0)
            continue;
        if (channel->credit == 0 || room() <= RESERVE + HEADER ||
            read_program(number, &channel->out, OUTPUT))
            continue;
        close_streams(channel);
        end_output(number);
    }
}

/* ---- the loop ---- */

enum { FROM_HOST, TO_HOST, FIRST_CHANNEL };

struct polled { struct pollfd fds[FIRST_CHANNEL + CHANNELS * 4]; size_t owner[FIRST_CHANNEL + CHANNELS * 4]; nfds_t count; };

static void watch_fd(struct polled *polled, int fd, short events, size_t owner)
{
    if (fd < 0 || !events)
        return;
    polled->owner[polled->count] = owner;
    polled->fds[polled->count++] = (struct pollfd){fd, events, 0};
}

/* To feed a program is to answer for every bit that it takes, so that too needs room. */
static void watch_channel(struct polled *polled, size_t number, bool may_read)
{
    struct channel *channel = &channels[number];
    short out = may_read && channel->credit ? POLLIN : 0;
    short in = channel->waiting && room() > RESERVE ? POLLOUT : 0;
    if (channel->terminal) {
        watch_fd(polled, channel->out, out | in, number);
    } else {
        watch_fd(polled, channel->out, out, number);
        watch_fd(polled, channel->err, out, number);
        watch_fd(polled, channel->in, in, number);
    }
    watch_fd(polled, channel->facts, POLLIN, number);
}

static void collect(struct polled *polled, size_t first)
{
    bool may_read = queue_end - queue_start < (128 << 10) && room() > RESERVE + LARGEST_OUTPUT;
    polled->count = FIRST_CHANNEL;
    polled->fds[FROM_HOST] = (struct pollfd){room() > RESERVE * 2 ? from_host : -1, POLLIN, 0};
    polled->fds[TO_HOST] = (struct pollfd){to_host, queue_start < queue_end ? POLLOUT : 0, 0};
    for (size_t i = 0; i < CHANNELS; i++)
        if (channels[(first + i) % CHANNELS].used)
            watch_channel(polled, (first + i) % CHANNELS, may_read);
}

static void serve(size_t number, const struct pollfd *ready)
{
    struct channel *channel = &channels[number];
    if (!channel->used || !ready->revents)
        return;
    if (ready->fd == channel->facts) {
        read_facts(number);
        return;
    }
    if (ready->fd == channel->in && ready->revents & (POLLOUT | POLLERR))
        feed_program(number);
    if (!(ready->revents & (POLLIN | POLLHUP | POLLERR)))
        return;
    if (ready->fd == channel->out)
        read_program(number, &channel->out, OUTPUT);
    else if (ready->fd == channel->err)
        read_program(number, &channel->err, ERROR_OUTPUT);
}

/* Root inside can lower the limit of our descriptors below the number that we wait for. */
static void ask_every_one(struct polled *polled)
{
    struct timespec pause = {0, 10 * 1000 * 1000};
    nanosleep(&pause, NULL);
    for (nfds_t i = 0; i < polled->count; i++)
        polled->fds[i].revents = polled->fds[i].fd < 0 ? 0 : polled->fds[i].events;
}

static void wait_for_events(struct polled *polled, const sigset_t *mask)
{
    int64_t left = deadline_ms - monotonic_ms();
    if (left <= 0)
        _exit(0);
    struct timespec timeout = {left / 1000, left % 1000 * 1000000};
    if (ppoll(polled->fds, polled->count, &timeout, mask) >= 0)
        return;
    if (errno == EINTR)
        polled->count = 0;
    else
        ask_every_one(polled);
}

static void loop(const sigset_t *mask)
{
    static struct polled polled;
    for (size_t first = 0;; first = (first + 1) % CHANNELS) {
        collect(&polled, first);
        wait_for_events(&polled, mask);
        reap();
        if (polled.count == 0)
            continue;
        if (polled.fds[TO_HOST].revents & (POLLERR | POLLHUP))
            _exit(0);
        for (nfds_t i = FIRST_CHANNEL; i < polled.count; i++)
            serve(polled.owner[i], &polled.fds[i]);
        if (polled.fds[FROM_HOST].revents || received_size)
            receive();
        finish_terminals();
        flush_queue();
    }
}

/* ---- the way to the host: a socket that it takes out of this process, or standard streams ---- */

#define OURS 200
#define OFFERED 201

static void offer_socket(void)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
        return;
    fcntl(pair[0], F_DUPFD_CLOEXEC, OURS);
    fcntl(pair[1], F_DUPFD_CLOEXEC, OFFERED);
    close(pair[0]);
    close(pair[1]);
}

/* The first word comes by the way that the host has chosen; the other one is given up. */
static void wait_for_host(void)
{
    struct pollfd ways[] = {{STDIN_FILENO, POLLIN, 0}, {OURS, POLLIN, 0}};
    while (poll(ways, 2, HELLO_SECONDS * 1000) < 0 && errno == EINTR)
        continue;
    if (ways[1].revents & POLLIN) {
        from_host = to_host = OURS;
    } else {
        close(OURS);
    }
    close(OFFERED);
}

static void ignore(int number) { (void)number; }

static sigset_t prepare_signals(void)
{
    struct sigaction action = {.sa_handler = ignore, .sa_flags = SA_NOCLDSTOP};
    sigset_t blocked, before;
    sigaction(SIGCHLD, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGCHLD);
    sigprocmask(SIG_BLOCK, &blocked, &before);
    return before;
}

/* A second execution leaves nothing of the first environment, and room for titles. */
static void start_clean(char **envp)
{
    char space[LONGEST_NAME + 64] = "TERM=linux";
    memset(space + strlen(space), ' ', sizeof space - 1 - strlen(space));
    if (getpid() != 1 || (envp[0] && strcmp(envp[0], space) == 0))
        return;
    char *argv[] = {"/sbin/init", NULL}, *environment[] = {space, NULL};
    execve("/proc/self/exe", argv, environment);
}

int main(int argc, char **argv, char **envp)
{
    (void)argc;
    start_clean(envp);
    prctl(PR_SET_DUMPABLE, 0);
    find_title(argv, envp);
    set_title(exists("/lib/systemd/systemd") ? "systemd" : "init", "/sbin/init");
    umask(022);
    deadline_ms = monotonic_ms() + HELLO_SECONDS * 1000;
    fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK);
    fcntl(STDOUT_FILENO, F_SETFL, O_NONBLOCK);
    fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_BYTES);
    sigset_t mask = prepare_signals();
    offer_socket();
    if (getpid() == 1) {
        chmod("/", 0755);
        record_boot();
        start_daemons();
    }
    start_listener();
    burn_numbers(getpid() == 1 ? 150 + lot(250) : 0);
    wait_for_host();
    queue_number(READY, 0, VERSION);
    flush_queue();
    loop(&mask);
}
