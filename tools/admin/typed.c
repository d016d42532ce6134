/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is typed on the console while attach --boot waits: kept, and not shown. Without this, a passphrase
 * that is typed early appears on the console, and whoever asks for it then throws it away.
 */
#include "typed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"

#define DELETE 0x7f

/* For a handler, which can reach nothing else. */
static struct {
	volatile sig_atomic_t active;
	int fd;
	pid_t owner; /* children inherit the handler */
	struct termios saved;
} restored;

/* Those that the rest of the program does not catch, or not all the time. */
static const int fatal[] = { SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGPIPE, SIGALRM };

static void restore_and_die(int number)
{
	if (restored.active != 0 && restored.owner == getpid())
		(void)tcsetattr(restored.fd, TCSANOW, &restored.saved);
	(void)raise(number); /* SA_RESETHAND: this time it ends us */
}

static void catch_fatal(void)
{
	struct sigaction action = { .sa_handler = restore_and_die, .sa_flags = (int)SA_RESETHAND };

	(void)sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(fatal) / sizeof(fatal[0]); i++) {
		struct sigaction old;

		if (sigaction(fatal[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			(void)sigaction(fatal[i], &action, NULL);
	}
}

void typed_open(struct typed *typed, const char *path)
{
	struct termios quiet;
	_cleanup_close_ int fd = -1;

	*typed = (struct typed)TYPED_INIT;
	/* O_NONBLOCK: of this descriptor alone, whoever else has the console open. */
	fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || tcgetattr(fd, &typed->saved) < 0 || secret_init(&typed->line, TYPED_MAX) < 0)
		return;
	restored.fd = fd;
	restored.owner = getpid();
	restored.saved = typed->saved;
	restored.active = 1;
	catch_fatal();
	quiet = typed->saved;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | ISIG);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	/* Not TCSAFLUSH: what is there already was typed for us. */
	if (tcsetattr(fd, TCSANOW, &quiet) < 0) {
		restored.active = 0;
		return;
	}
	typed->fd = TAKE_FD(fd);
	typed_receive(typed);
}

void typed_watch(struct typed *typed, pid_t watcher)
{
	*typed = (struct typed)TYPED_INIT;
	typed->watcher = watcher;
}

static void look_at_watcher(struct typed *typed)
{
	int status = 0;
	pid_t ended = waitpid(typed->watcher, &status, WNOHANG);

	if (ended == 0 || (ended < 0 && errno == EINTR))
		return;
	typed->watcher = 0;
	typed->entered = ended > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

void typed_release(struct typed *typed)
{
	if (typed->watcher != 0) {
		(void)kill(typed->watcher, SIGKILL);
		(void)waitpid(typed->watcher, NULL, 0);
		typed->watcher = 0;
	}
	if (typed->fd < 0)
		return;
	(void)tcsetattr(typed->fd, TCSANOW, &typed->saved);
	restored.active = 0;
	(void)close(typed->fd);
	typed->fd = -1;
}

void typed_close(struct typed *typed)
{
	typed_release(typed);
	secret_done(&typed->line);
}

void typed_forget(struct typed *typed)
{
	if (typed != NULL)
		secret_done(&typed->line);
}

/* The whole of a UTF-8 character, which a person takes for one. */
static void erase_last(struct secret *line)
{
	while (line->len > 0 && (line->data[line->len - 1] & 0xc0) == 0x80)
		line->data[--line->len] = 0;
	if (line->len > 0)
		line->data[--line->len] = 0;
}

void typed_key(struct typed *typed, char key)
{
	switch (key) {
	case '\n':
	case '\r':
		typed->entered = true;
		if (typed->too_long)
			secret_clear(&typed->line);
		break;
	case '\b':
	case DELETE:
		if (!typed->too_long)
			erase_last(&typed->line);
		break;
	case CTRL('U'):
	case CTRL('C'): /* at boot there is nothing that it could end */
		secret_clear(&typed->line);
		typed->too_long = false;
		break;
	case '\0':
		break;
	default:
		if (secret_append(&typed->line, &key, 1) < 0)
			typed->too_long = true;
	}
}

int typed_fd(const struct typed *typed)
{
	return typed != NULL && !typed->entered ? typed->fd : -1;
}

void typed_receive(struct typed *typed)
{
	if (typed != NULL && typed->watcher != 0)
		look_at_watcher(typed);
	while (typed_fd(typed) >= 0) {
		char key;
		ssize_t n = read(typed->fd, &key, 1);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) { /* the line was cut: poll() would report it for ever */
			typed_release(typed);
			return;
		}
		typed->key_ms = io_now_ms();
		typed_key(typed, key);
		explicit_bzero(&key, 1);
	}
}

bool typed_entered(const struct typed *typed)
{
	return typed != NULL && typed->entered;
}

bool typed_is_busy(const struct typed *typed, int64_t now_ms)
{
	return typed_fd(typed) >= 0 && (typed->line.len > 0 || typed->too_long) &&
	       now_ms < typed->key_ms + TYPED_PATIENCE_MS;
}
