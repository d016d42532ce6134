/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enters the helper's sandbox in a child and tries what must not work there, and what must. */

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "sandbox.h"

/* Each returns 0 if the attempt worked, else an errno. They run in the sandboxed child. */

static char secret_file[] = "/tmp/luks-cmk-sandbox-XXXXXX";

static int try_open(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int open_world_readable(void)
{
	return try_open(secret_file, O_RDONLY);
}
static int open_passwd(void)
{
	return try_open("/etc/passwd", O_RDONLY);
}
static int open_shadow(void)
{
	return try_open("/etc/shadow", O_RDONLY);
}
static int open_own_memory(void)
{
	return try_open("/proc/self/mem", O_RDONLY);
}
static int open_for_writing(void)
{
	return try_open("/etc/hosts", O_RDWR);
}
static int create_file(void)
{
	return try_open("/tmp/luks-cmk-sandbox-new", O_WRONLY | O_CREAT);
}
static int read_hosts(void)
{
	return try_open("/etc/hosts", O_RDONLY);
}
static int read_roots(void)
{
	struct stat status;
	return stat("/etc/ssl/certs", &status) < 0 ? errno : 0;
}
static int execute(void)
{
	char *argv[] = { (char *)(uintptr_t) "/bin/true", NULL };
	execv(argv[0], argv);
	return errno;
}
static int fork_process(void)
{
	pid_t pid = fork();
	if (pid == 0)
		_exit(0);
	return pid < 0 ? errno : 0;
}
static int become_root(void)
{
	return setuid(0) == 0 || setresuid(0, 0, 0) == 0 ? 0 : errno;
}
static int be_root(void)
{
	return getuid() == 0 || geteuid() == 0 || getgid() == 0 ? 0 : EPERM;
}
static int executable_memory(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return page == MAP_FAILED ? errno : 0;
}
static int trace_other(void)
{
	return kill(getppid(), 0) < 0 ? errno : 0;
}
static int listen_for_others(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	return fd < 0 || listen(fd, 1) < 0 ? errno : 0;
}
static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0;
}
static int raw_socket(void)
{
	return socket(AF_PACKET, SOCK_RAW, 0) < 0 ? errno : 0;
}
static int sctp_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP) < 0 ? errno : 0;
}
static int ping_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP) < 0 ? errno : 0;
}
static int firewall_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER) < 0 ? errno : 0;
}
static int address_socket(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) < 0 ? errno : 0;
}
static int name_socket(void)
{
	return socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_IP) < 0 ? errno
											  : 0;
}
static int card_number(void)
{
	return if_nametoindex("lo") == 0 ? errno : 0;
}
static int card_state(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int r = ioctl(fd, SIOCGIFFLAGS, &request) < 0 ? errno : 0;
	close(fd);
	return r;
}
static int read_terminal(void)
{
	char byte;
	return read(STDERR_FILENO, &byte, 1) < 0 ? errno : 0;
}
static int write_terminal(void)
{
	return write(STDERR_FILENO, "", 1) < 0 ? errno : 0;
}
static int dump_core(void)
{
	struct rlimit limit;
	return getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0 ? EPERM : 0;
}
static int internet_socket(void)
{
	return socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0 ? errno : 0;
}
static void *nothing(void *unused)
{
	return unused;
}
static int start_thread(void)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, nothing, NULL);
	return r ? r : pthread_join(thread, NULL);
}
static int get_memory(void)
{
	char *memory = malloc(4 * 1024 * 1024);
	if (!memory)
		return ENOMEM;
	memset(memory, 1, 4 * 1024 * 1024);
	free(memory);
	return 0;
}

static const struct {
	const char *name;
	int (*attempt)(void);
	bool works;
	bool needs_root; /* to mean anything, the parent must be root */
} cases[] = {
	{ "open a file that everyone may read", open_world_readable, false, false },
	{ "open /etc/passwd", open_passwd, false, false },
	{ "open /etc/shadow", open_shadow, false, false },
	{ "open its own memory", open_own_memory, false, false },
	{ "open a permitted file for writing", open_for_writing, false, false },
	{ "create a file", create_file, false, false },
	{ "execute a program", execute, false, false },
	{ "fork a process", fork_process, false, false },
	{ "become root again", become_root, false, true },
	{ "still be root", be_root, false, true },
	{ "map executable memory", executable_memory, false, false },
	{ "signal another process", trace_other, false, false },
	{ "listen for connections", listen_for_others, false, false },
	{ "open a unix socket", unix_socket, false, false },
	{ "open a packet socket", raw_socket, false, false },
	{ "open an SCTP socket", sctp_socket, false, false },
	{ "open a ping socket", ping_socket, false, false },
	{ "open a firewall's socket", firewall_socket, false, false },
	{ "read the terminal", read_terminal, false, false },
	{ "ask a network card for more than its number", card_state, false, false },
	{ "write to the terminal", write_terminal, true, false },
	{ "ask for this machine's addresses", address_socket, true, false },
	{ "open a resolver's socket", name_socket, true, false },
	{ "dump core", dump_core, false, false },
	{ "read /etc/hosts", read_hosts, true, false },
	{ "look at the roots", read_roots, true, false },
	{ "open an internet socket", internet_socket, true, false },
	{ "start a thread", start_thread, true, false },
	{ "allocate memory", get_memory, true, false },
	{ "find a network card's number", card_number, true, false },
};

/* As standard error of a shell: open for both, with a line typed already. */
static void open_terminal(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (master < 0 || grantpt(master) < 0 || unlockpt(master) < 0 ||
	    write(master, "typed\n", 6) != 6 ||
	    dup2(open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC), STDERR_FILENO) < 0)
		_exit(254);
}

static int in_sandbox(int (*attempt)(void))
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		open_terminal();
		sandbox_memory();
		if (sandbox_enter(0, NULL) < 0)
			_exit(255);
		_exit(attempt());
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_not_equal(WEXITSTATUS(status), 255);
	assert_int_not_equal(WEXITSTATUS(status), 254);
	return WEXITSTATUS(status);
}

static void test_attempts(void **state)
{
	(void)state;
	int failures = 0;
	int fd = mkstemp(secret_file);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (cases[i].needs_root && geteuid() != 0)
			continue;
		/* Outside, each forbidden attempt on files works: else the case would prove nothing. */
		int r = in_sandbox(cases[i].attempt);
		if ((r == 0) != cases[i].works) {
			print_error("%s: %s\n", cases[i].name, r == 0 ? "worked" : strerror(r));
			failures++;
		}
	}
	assert_int_equal(open_world_readable(), 0);
	assert_int_equal(open_passwd(), 0);
	unlink(secret_file);
	close(fd);
	assert_int_equal(failures, 0);
}

/* A folder that an identity's source reads from: by its group, and nothing else of it. */
static const struct {
	const char *name;
	gid_t group;
	mode_t mode;
	int flags;
	bool works;
} in_folder[] = {
	{ "read by the folder's group", 12345, 0640, O_RDONLY, true },
	{ "read by everybody", 12345, 0644, O_RDONLY, true },
	{ "read what is its owner's alone", 12345, 0600, O_RDONLY, false },
	{ "read by root's group", 0, 0640, O_RDONLY, false },
	{ "write", 12345, 0660, O_RDWR, false },
};

/* The errno of opening file below folder in the sandbox, or 200 where more than that was possible. */
static int open_in_sandbox(int folder, const char *file, int flags)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (sandbox_enter(folder, NULL) < 0)
			_exit(255);
		if (open_passwd() == 0 || create_file() == 0 ||
		    openat(folder, "new", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0)
			_exit(200);
		_exit(openat(folder, file, flags | O_CLOEXEC) < 0 ? errno : 0);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_folder(void **state)
{
	char path[] = "/tmp/luks-cmk-sandbox-folder-XXXXXX";
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(path));
	int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < sizeof(in_folder) / sizeof(in_folder[0]); i++) {
		int fd = openat(folder, "key", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
		assert_int_equal(fchown(fd, 0, in_folder[i].group), 0);
		assert_int_equal(fchmod(fd, in_folder[i].mode), 0);
		assert_int_equal(fchown(folder, 0, in_folder[i].group), 0);
		assert_int_equal(fchmod(folder, 0750), 0);
		int r = open_in_sandbox(folder, "key", in_folder[i].flags);
		if ((r == 0) != in_folder[i].works || r == 200)
			fail_msg("%s: %d", in_folder[i].name, r);
		close(fd);
		assert_int_equal(unlinkat(folder, "key", 0), 0);
	}
	close(folder);
	assert_int_equal(rmdir(path), 0);
}

/* What the kernel says of a sandboxed process. */
static void test_status(void **state)
{
	(void)state;
	int ready[2];
	char path[64], text[8192], byte = 0;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		sandbox_memory();
		byte = sandbox_enter(0, NULL) == 0;
		(void)!write(ready[1], &byte, 1);
		(void)poll(NULL, 0, -1);
		_exit(0);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(byte, 1);
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "re");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_non_null(strstr(text, "\nNoNewPrivs:\t1\n"));
	assert_non_null(strstr(text, "\nSeccomp:\t2\n"));
	if (geteuid() == 0) {
		assert_non_null(strstr(text, "\nCapPrm:\t0000000000000000\n"));
		assert_non_null(strstr(text, "\nCapEff:\t0000000000000000\n"));
		assert_null(strstr(text, "\nUid:\t0"));
		assert_non_null(strstr(text, "\nGroups:\t \n"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_attempts),
					    cmocka_unit_test(test_folder),
					    cmocka_unit_test(test_status) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
