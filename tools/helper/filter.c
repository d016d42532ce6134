/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The system call filter, by libseccomp: a list of what is allowed, everything else fails with EPERM. */

#include "filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#define CALL(name) SCMP_SYS(name)

static const int allowed[] = {
	/* Descriptors that are open. */
	CALL(read),
	CALL(readv),
	CALL(pread64),
	CALL(write),
	CALL(writev),
	CALL(pwrite64),
	CALL(close),
	CALL(lseek),
	CALL(_llseek),
	CALL(fstat),
	CALL(fstat64),
	CALL(flock),
	CALL(ftruncate),
	CALL(ftruncate64),
	CALL(fsync),
	CALL(fcntl),
	CALL(fcntl64),
	CALL(dup),
	CALL(poll),
	CALL(ppoll),
	CALL(ppoll_time64),
	CALL(select),
	CALL(_newselect),
	CALL(pselect6),
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(eventfd2),
	CALL(pipe2),
	/* Looking at files; what may be read is Landlock's and the user's business. */
	CALL(stat),
	CALL(stat64),
	CALL(lstat),
	CALL(lstat64),
	CALL(fstatat64),
	CALL(newfstatat),
	CALL(statx),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(readlink),
	CALL(readlinkat),
	/* Memory, threads, signals. */
	CALL(brk),
	CALL(munmap),
	CALL(mremap),
	CALL(madvise),
	CALL(mlock),
	CALL(munlock),
	CALL(futex),
	CALL(futex_time64),
	CALL(set_robust_list),
	CALL(rseq),
	CALL(set_tid_address),
	CALL(sched_yield),
	CALL(sched_getaffinity),
	CALL(membarrier),
	CALL(sigaltstack),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(restart_syscall),
	CALL(tgkill),
	CALL(exit),
	CALL(exit_group),
	/* Time and facts. */
	CALL(clock_gettime),
	CALL(clock_gettime64),
	CALL(clock_getres),
	CALL(clock_nanosleep),
	CALL(clock_nanosleep_time64),
	CALL(nanosleep),
	CALL(gettimeofday),
	CALL(time),
	CALL(getrandom),
	CALL(getpid),
	CALL(gettid),
	CALL(getppid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(uname),
	CALL(sysinfo),
	CALL(getcpu),
	/* Connections going out; no listen, no accept. bind: glibc's netlink question for addresses. */
	CALL(connect),
	CALL(bind),
	CALL(shutdown),
	CALL(sendto),
	CALL(sendmsg),
	CALL(sendmmsg),
	CALL(recvfrom),
	CALL(recvmsg),
	CALL(getsockname),
	CALL(getpeername),
	CALL(getsockopt),
	CALL(setsockopt),
};

/* A call that is allowed only where one argument, masked, has a value. */
struct conditional {
	int call;
	unsigned argument;
	scmp_datum_t mask;
	scmp_datum_t value;
};

#define THREAD_FLAGS (CLONE_VM | CLONE_THREAD | CLONE_SIGHAND)
#define NOT_READING  (O_ACCMODE | O_CREAT | O_TRUNC)

static const struct conditional conditionals[] = {
	{ CALL(open), 1, NOT_READING, O_RDONLY },
	{ CALL(openat), 2, NOT_READING, O_RDONLY },
	{ CALL(mmap), 2, PROT_EXEC, 0 },
	{ CALL(mmap2), 2, PROT_EXEC, 0 },
	{ CALL(mprotect), 2, PROT_EXEC, 0 },
	{ CALL(clone), 0, THREAD_FLAGS, THREAD_FLAGS },
	{ CALL(prlimit64), 2, UINT64_MAX, 0 },
	{ CALL(prctl), 0, UINT64_MAX, PR_SET_NAME },
	{ CALL(socketpair), 0, UINT64_MAX, AF_UNIX },
	/* glibc: which card fe80::1%eth0 is behind, a name server that a router told of */
	{ CALL(ioctl), 1, UINT32_MAX, SIOCGIFINDEX },
};

/* Behind other types and protocols there is code of the kernel that nobody here needs. */
#define SOCKET_TYPE 0xf /* without SOCK_CLOEXEC and SOCK_NONBLOCK */
static const struct {
	int domain, type, protocol;
} sockets[] = {
	{ AF_INET, SOCK_STREAM, 0 },
	{ AF_INET, SOCK_STREAM, IPPROTO_TCP },
	{ AF_INET, SOCK_DGRAM, 0 },
	{ AF_INET, SOCK_DGRAM, IPPROTO_UDP },
	{ AF_INET6, SOCK_STREAM, 0 },
	{ AF_INET6, SOCK_STREAM, IPPROTO_TCP },
	{ AF_INET6, SOCK_DGRAM, 0 },
	{ AF_INET6, SOCK_DGRAM, IPPROTO_UDP },
	{ AF_NETLINK, SOCK_RAW, NETLINK_ROUTE }, /* glibc: which addresses this machine has */
};

static int add_sockets(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof(sockets) / sizeof(sockets[0]); i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, CALL(socket), 3,
					 SCMP_CMP(0, SCMP_CMP_MASKED_EQ, UINT64_MAX,
						  (scmp_datum_t)sockets[i].domain),
					 SCMP_CMP(1, SCMP_CMP_MASKED_EQ, SOCKET_TYPE,
						  (scmp_datum_t)sockets[i].type),
					 SCMP_CMP(2, SCMP_CMP_MASKED_EQ, UINT64_MAX,
						  (scmp_datum_t)sockets[i].protocol));
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_rules(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < sizeof(conditionals) / sizeof(conditionals[0]); i++) {
		const struct conditional *c = &conditionals[i];
		int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, c->call, 1,
					 SCMP_CMP(c->argument, SCMP_CMP_MASKED_EQ, c->mask,
						  c->value));
		if (r < 0)
			return r;
	}
	int r = add_sockets(filter);
	if (r < 0)
		return r;
	/* Its flags are behind a pointer; glibc falls back to clone(), whose flags can be seen. */
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
}

int filter_enter(struct cmk_err *err)
{
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0 && errno == EINVAL)
		return 0; /* a kernel without it */
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (!filter)
		return cmk_err(err, CMK_SANDBOX, "out of memory for the system call filter");
	int r = add_rules(filter);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	if (r < 0)
		return cmk_err_errno(err, CMK_SANDBOX, -r, "cannot load the system call filter");
	return 0;
}
