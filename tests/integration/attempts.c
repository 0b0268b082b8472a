/*
 * What somebody who wants out would try, one attempt a run: its name is the argument.
 * Prints "refused ERRNO" by the errno's number, or "DONE" when the kernel did it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Not zero, so that a pointer that the kernel refuses to read is no reason to be refused. */
static char room[4096];
static long memory(void) { return (long)room; }

/* ---- system calls that need no more than their arguments ---- */

struct call { const char *name; long number, a[6]; };

#define NEW_IPC_ETC (CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID | CLONE_NEWCGROUP)
#define ROOM 0x7fffffff /* stands for the address of room */

static const struct call calls[] = {
    {"unshare-user", SYS_unshare, {CLONE_NEWUSER}},
    {"unshare-net", SYS_unshare, {CLONE_NEWNET}},
    {"unshare-mount", SYS_unshare, {CLONE_NEWNS}},
    {"unshare-rest", SYS_unshare, {NEW_IPC_ETC}},
    {"clone-user", SYS_clone, {CLONE_NEWUSER | SIGCHLD}},
    {"clone-net", SYS_clone, {CLONE_NEWNET | SIGCHLD}},
    {"clone-user-net", SYS_clone, {CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | SIGCHLD}},
    {"clone-high-bits", SYS_clone, {CLONE_NEWUSER | SIGCHLD | 1L << 40}},
    {"clone3", SYS_clone3, {ROOM, 64}},
    {"umount", SYS_umount2, {ROOM, 0}},
    {"fsopen", SYS_fsopen, {ROOM, 0}},
    {"open-tree", SYS_open_tree, {AT_FDCWD, ROOM, 1}},
    {"move-mount", SYS_move_mount, {AT_FDCWD, ROOM, AT_FDCWD, ROOM, 0}},
    {"mount-setattr", SYS_mount_setattr, {AT_FDCWD, ROOM, 0, ROOM, 32}},
    {"pivot-root", SYS_pivot_root, {ROOM, ROOM}},
    {"bpf", SYS_bpf, {0, ROOM, 64}},
    {"perf", SYS_perf_event_open, {ROOM, 0, -1, -1, 0}},
    {"io-uring", SYS_io_uring_setup, {8, ROOM}},
    {"userfaultfd", SYS_userfaultfd, {1}},
    {"keyctl", SYS_keyctl, {0, -3, 0}},
    {"add-key", SYS_add_key, {ROOM, ROOM, ROOM, 1, -3}},
    {"request-key", SYS_request_key, {ROOM, ROOM, ROOM, -3}},
    {"init-module", SYS_init_module, {ROOM, 16, ROOM}},
    {"finit-module", SYS_finit_module, {0, ROOM, 0}},
    {"delete-module", SYS_delete_module, {ROOM, 0}},
    {"kexec", SYS_kexec_load, {0, 0, 0, 0}},
    {"ptrace-init", SYS_ptrace, {PTRACE_SEIZE, 1, 0, 0}},
    {"ptrace-parent", SYS_ptrace, {PTRACE_ATTACH, 2, 0, 0}},
    {"pidfd-getfd", SYS_pidfd_getfd, {0, 0, 0}},
    {"kcmp", SYS_kcmp, {1, 1, 0, 0, 0}},
    {"open-by-handle", SYS_open_by_handle_at, {AT_FDCWD, ROOM, 0}},
    {"fanotify", SYS_fanotify_init, {0, 0}},
    {"kernel-log", SYS_syslog, {3, ROOM, 64}},
    {"reboot", SYS_reboot, {0xfee1dead, 672274793, 0x01234567, 0}},
    {"swapon", SYS_swapon, {ROOM, 0}},
    {"acct", SYS_acct, {ROOM}},
    {"set-clock", SYS_clock_settime, {0, ROOM}},
    {"sethostname", SYS_sethostname, {ROOM, 1}},
    {"chroot", SYS_chroot, {ROOM}},
    {"vmsplice", SYS_vmsplice, {1, ROOM, 0, 0}},
    {"personality", SYS_personality, {0x0400000}},
    {"setuid-root", SYS_setresuid, {0, 0, 0}},
    {"setuid-unmapped", SYS_setresuid, {4000000, 4000000, 4000000}},
#ifdef __x86_64__
    {"iopl", SYS_iopl, {3}},
    {"ioperm", SYS_ioperm, {0x80, 1, 1}},
    {"x32-unshare", SYS_unshare | 0x40000000, {CLONE_NEWUSER}},
    {"x32-socket-vsock", SYS_socket | 0x40000000, {AF_VSOCK, SOCK_STREAM, 0}},
#endif
    {"socket-raw", SYS_socket, {AF_INET, SOCK_RAW, IPPROTO_ICMP}},
    {"socket-raw6", SYS_socket, {AF_INET6, SOCK_RAW, IPPROTO_ICMPV6}},
    {"socket-packet", SYS_socket, {AF_PACKET, SOCK_RAW, 0x0300}},
    {"socket-vsock", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0}},
    {"socket-alg", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0}},
    {"socket-xdp", SYS_socket, {44, SOCK_RAW, 0}},
    {"socket-bluetooth", SYS_socket, {AF_BLUETOOTH, SOCK_RAW, 0}},
    {"socket-can", SYS_socket, {AF_CAN, SOCK_RAW, 1}},
    {"socket-tipc", SYS_socket, {AF_TIPC, SOCK_RDM, 0}},
    {"socket-key", SYS_socket, {AF_KEY, SOCK_RAW, 2}},
    {"socket-high-bits", SYS_socket, {AF_VSOCK | 1L << 32, SOCK_STREAM, 0}},
    {"socket-netfilter", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER}},
    {"socket-xfrm", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_XFRM}},
    {"socket-audit", SYS_socket, {AF_NETLINK, SOCK_RAW, NETLINK_AUDIT}},
    {"socketpair-vsock", SYS_socketpair, {AF_VSOCK, SOCK_STREAM, 0, ROOM}},
};

static long make(const struct call *call)
{
    long a[6];
    for (int i = 0; i < 6; i++)
        a[i] = call->a[i] == ROOM ? memory() : call->a[i];
    long result = syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
    if (result == 0 && (call->number == SYS_clone || call->number == SYS_clone3))
        _exit(0);
    return result;
}

/* ---- the same by the 32-bit entry, whose numbers are those of i386 ---- */

#ifdef __x86_64__
static long i386(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("push %%rbx; mov %2, %%ebx; int $0x80; pop %%rbx"
                     : "=a"(result)
                     : "0"(number), "r"((int)a), "c"(b), "d"(c)
                     : "memory", "r8", "r9", "r10", "r11");
    errno = result < 0 ? (int)-result : 0;
    return result < 0 ? -1 : result;
}

/* socketcall reads its arguments from memory, which must lie below 4 GiB. */
static long i386_socketcall(void)
{
    uint32_t *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    low[0] = AF_VSOCK, low[1] = SOCK_STREAM, low[2] = 0;
    return i386(102, 1, (long)low, 0);
}
static long i386_socket(void) { return i386(359, AF_VSOCK, SOCK_STREAM, 0); }
static long i386_unshare(void) { return i386(310, CLONE_NEWUSER, 0, 0); }
static long i386_clone(void) { return i386(120, CLONE_NEWUSER | SIGCHLD, 0, 0) == 0 ? (_exit(0), 0) : -1; }
static long i386_keyctl(void) { return i386(288, 0, -3, 0); }
static long i386_mount(void) { return i386(21, 0, 0, 0); }
#endif

/* ---- what takes more than one step ---- */

static long reach(int family, const void *address, socklen_t size, int type)
{
    int fd = socket(family, type, 0);
    return fd < 0 ? -1 : connect(fd, address, size);
}

static long connect_to(uint32_t address, uint16_t port, int type)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(address);
    return reach(AF_INET, &to, sizeof to, type);
}
static long connect_out(void) { return connect_to(0xc0000201, 80, SOCK_STREAM); }
static long connect_metadata(void) { return connect_to(0xa9fea9fe, 80, SOCK_STREAM); }
static long connect_dns(void) { return connect_to(0xc0000235, 53, SOCK_DGRAM); }
static long connect_host_loopback(void) { return connect_to(0x7f000001, 22, SOCK_STREAM); }

static long connect_out6(void)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(80)};
    to.sin6_addr.s6_addr[0] = 0x20, to.sin6_addr.s6_addr[1] = 0x01;
    return reach(AF_INET6, &to, sizeof to, SOCK_STREAM);
}

static long connect_abstract(void)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path + 1, "neighbour", 9);
    return reach(AF_UNIX, &to, offsetof(struct sockaddr_un, sun_path) + 10, SOCK_STREAM);
}

static long rtnetlink(int type)
{
    struct { struct nlmsghdr head; union { struct ifinfomsg link; struct rtmsg route; } body; } ask = {
        .head = {.nlmsg_len = sizeof ask, .nlmsg_type = (uint16_t)type,
                 .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE}};
    struct { struct nlmsghdr head; struct nlmsgerr error; char more[512]; } answer = {0};
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (fd < 0 || send(fd, &ask, sizeof ask, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
        return -1;
    errno = -answer.error.error;
    return answer.error.error ? -1 : 0;
}
static long add_link(void) { return rtnetlink(RTM_NEWLINK); }
static long add_route(void) { return rtnetlink(RTM_NEWROUTE); }

static long lower_loopback(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    return ioctl(socket(AF_INET, SOCK_DGRAM, 0), SIOCSIFFLAGS, &request);
}

static long mark_packets(void)
{
    int mark = 1;
    return setsockopt(socket(AF_INET, SOCK_DGRAM, 0), SOL_SOCKET, SO_MARK, &mark, sizeof mark);
}

static long mount_tmpfs(void) { return mount("x", "/tmp", "tmpfs", 0, NULL); }
static long mount_proc(void) { return mount("proc", "/tmp", "proc", 0, NULL); }
static long mount_cgroup(void) { return mount("x", "/tmp", "cgroup", 0, "memory"); }
static long mount_bind(void) { return mount("/", "/tmp", NULL, MS_BIND, NULL); }
static long remount_sys(void) { return mount("x", "/sys", NULL, MS_REMOUNT | MS_BIND, NULL); }

static long enter_init(void)
{
    int fd = open("/proc/self/ns/user", O_RDONLY);
    return fd < 0 ? -1 : setns(fd, 0);
}

static long node(dev_t device)
{
    const char *path = "/tmp/node";
    unlink(path);
    if (mknod(path, S_IFCHR | 0600, device) != 0)
        return -1;
    return open(path, O_RDWR);
}
static long node_memory(void) { return node(makedev(1, 1)); }
static long node_kmsg(void) { return node(makedev(1, 11)); }
static long node_tun(void) { return node(makedev(10, 200)); }
static long node_fuse(void) { return node(makedev(10, 229)); }

static long node_disk(void)
{
    unlink("/tmp/disk");
    return mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0)) != 0 ? -1 : open("/tmp/disk", O_RDWR);
}

/* VFS_CAP_REVISION_2, every capability, effective */
static long file_capabilities(void)
{
    uint32_t all[5] = {0x02000001, ~0u, 0, ~0u, 0};
    close(open("/tmp/caps", O_CREAT | O_RDWR, 0755));
    return setxattr("/tmp/caps", "security.capability", all, sizeof all, 0);
}

static long take_capabilities(void)
{
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{~0u, ~0u, ~0u}, {~0u, ~0u, ~0u}};
    return syscall(SYS_capset, &head, data);
}

static long drop_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0); }
static long drop_seccomp(void) { return prctl(PR_SET_SECCOMP, 0, 0, 0, 0); }

static long raise_limit(int which)
{
    struct rlimit limit;
    getrlimit(which, &limit);
    limit.rlim_cur = limit.rlim_max = limit.rlim_max + 1;
    return setrlimit(which, &limit);
}
/* The number of a process has 32 bits, whatever stands above them. */
static long starve_init(void)
{
    struct rlimit limit = {1, 1};
    return syscall(SYS_prlimit64, 0x100000001L, RLIMIT_CPU, &limit, NULL);
}
static long raise_file_size(void) { return raise_limit(RLIMIT_FSIZE); }
static long raise_files(void) { return raise_limit(RLIMIT_NOFILE); }
static long raise_core(void) { return raise_limit(RLIMIT_CORE); }

static long open_many(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    for (int i = 0; i <= 1 << 20; i++)
        if (open("/dev/null", O_RDONLY) < 0)
            return -1;
    return 0;
}

static long write_beyond(void)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    int fd = open("/root/large", O_CREAT | O_RDWR, 0600);
    return pwrite(fd, "x", 1, (off_t)limit.rlim_max);
}

static long fill_tmpfs(void)
{
    static char block[1 << 20];
    int fd = open("/tmp/full", O_CREAT | O_RDWR | O_TRUNC, 0600);
    long result = 0;
    for (int i = 0; i < 4096 && result >= 0; i++)
        result = write(fd, block, sizeof block);
    int why = errno;
    unlink("/tmp/full");
    errno = why;
    return result;
}

static long fork_many(void)
{
    for (int i = 0; i < 10000; i++) {
        pid_t child = fork();
        if (child == 0)
            pause();
        if (child < 0) {
            int why = errno;
            kill(0, SIGKILL);
            errno = why;
            return -1;
        }
    }
    return 0;
}

static long read_init_memory(void)
{
    struct iovec here = {room, 16}, there = {(void *)0x400000, 16};
    return process_vm_readv(1, &here, 1, &there, 1, 0);
}

static long signal_host(void) { return kill(4000000, SIGKILL); }
static long shared_memory(void) { return syscall(SYS_shmget, 0x48524d53, 0, 0); }

static const struct { const char *name; long (*attempt)(void); } steps[] = {
#ifdef __x86_64__
    {"i386-socketcall-vsock", i386_socketcall},
    {"i386-socket-vsock", i386_socket},
    {"i386-unshare", i386_unshare},
    {"i386-clone-user", i386_clone},
    {"i386-keyctl", i386_keyctl},
    {"i386-mount", i386_mount},
#endif
    {"connect-out", connect_out},
    {"connect-out6", connect_out6},
    {"connect-dns", connect_dns},
    {"connect-metadata", connect_metadata},
    {"connect-loopback", connect_host_loopback},
    {"connect-abstract", connect_abstract},
    {"add-link", add_link},
    {"add-route", add_route},
    {"lower-loopback", lower_loopback},
    {"mark-packets", mark_packets},
    {"mount-tmpfs", mount_tmpfs},
    {"mount-proc", mount_proc},
    {"mount-cgroup", mount_cgroup},
    {"mount-bind", mount_bind},
    {"remount-sys", remount_sys},
    {"setns", enter_init},
    {"node-memory", node_memory},
    {"node-kmsg", node_kmsg},
    {"node-tun", node_tun},
    {"node-fuse", node_fuse},
    {"node-disk", node_disk},
    {"file-capabilities", file_capabilities},
    {"take-capabilities", take_capabilities},
    {"drop-no-new-privileges", drop_no_new_privileges},
    {"drop-seccomp", drop_seccomp},
    {"starve-init", starve_init},
    {"raise-file-size", raise_file_size},
    {"raise-files", raise_files},
    {"raise-core", raise_core},
    {"open-many", open_many},
    {"write-beyond", write_beyond},
    {"fill-tmpfs", fill_tmpfs},
    {"fork-many", fork_many},
    {"read-init-memory", read_init_memory},
    {"signal-host", signal_host},
    {"shared-memory", shared_memory},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static long attempt(const char *name)
{
    for (size_t i = 0; i < COUNT(calls); i++)
        if (strcmp(name, calls[i].name) == 0)
            return make(&calls[i]);
    for (size_t i = 0; i < COUNT(steps); i++)
        if (strcmp(name, steps[i].name) == 0)
            return steps[i].attempt();
    fprintf(stderr, "no attempt %s\n", name);
    exit(2);
}

/* The neighbour whom others try to reach: an abstract socket, and shared memory. */
static void be_neighbour(void)
{
    struct sockaddr_un here = {.sun_family = AF_UNIX};
    memcpy(here.sun_path + 1, "neighbour", 9);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (bind(fd, (void *)&here, offsetof(struct sockaddr_un, sun_path) + 10) || listen(fd, 1) ||
        syscall(SYS_shmget, 0x48524d53, 4096, 01666) < 0)
        exit(1);
    puts("ready");
    fflush(stdout);
    pause();
}

static void *nothing(void *argument) { return argument; }

/* What ordinary programs do, the runtimes of other languages too: names what does not work. */
static void be_ordinary(void)
{
    pthread_t thread;
    int pair[2], status;
    const struct { const char *name; int works; } facts[] = {
        {"thread", pthread_create(&thread, NULL, nothing, NULL) == 0 && !pthread_join(thread, NULL)},
        {"fork", fork() ? wait(&status) > 0 && status == 0 : (_exit(0), 0)},
        {"epoll", epoll_create1(EPOLL_CLOEXEC) >= 0},
        {"memfd", memfd_create("x", MFD_CLOEXEC) >= 0},
        {"membarrier", syscall(SYS_membarrier, 0, 0, 0) >= 0},
        {"personality", syscall(SYS_personality, 0xffffffff) >= 0},
        {"no randomization", syscall(SYS_personality, 0x0040000) >= 0},
        {"socketpair", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0},
        {"inet", socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0) >= 0},
        {"inet6", socket(AF_INET6, SOCK_DGRAM, 0) >= 0},
        {"ip(8)", socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) >= 0},
        {"ss(8)", socket(AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG) >= 0},
        {"traced by the parent", ptrace(PTRACE_TRACEME, 0, 0, 0) == 0},
    };
    for (size_t i = 0; i < COUNT(facts); i++)
        if (!facts[i].works)
            puts(facts[i].name);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    if (strcmp(argv[1], "euid") == 0)
        return printf("%u\n", geteuid()) < 0;
    if (strcmp(argv[1], "neighbour") == 0)
        be_neighbour();
    if (strcmp(argv[1], "ordinary") == 0)
        return be_ordinary(), 0;
    long result = attempt(argv[1]);
    if (result < 0)
        printf("refused %d\n", errno);
    else
        puts("DONE");
    return 0;
}
