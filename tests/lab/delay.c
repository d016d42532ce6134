/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A long cable between two network namespaces: delay MICROSECONDS. Makes TUN device "cable" in the namespace
 * it is started in and another in a new one of its own, says "ready" on standard output, and carries packets
 * between them, each MICROSECONDS late. Ends when killed; both devices go with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX 2048 /* the devices' MTU is 1500 */
#define QUEUE_MAX  4096 /* a power of two; 8 MiB each way, far above a TLS handshake */
/* The last part of a wait is spent spinning: a timer alone wakes up 50 to 100 us late. */
#define SPIN_NS 120000

struct packet {
	int64_t due_ns;
	size_t size;
	uint8_t data[PACKET_MAX];
};

/* Packets on their way in one direction, in order. */
struct queue {
	int from;
	int to;
	size_t first;
	size_t count;
	struct packet packets[QUEUE_MAX];
};

static struct queue queues[2];

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int tun_open(void)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	memcpy(request.ifr_name, "cable", sizeof("cable"));
	if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
		perror("delay: /dev/net/tun");
		exit(1);
	}
	return fd;
}

static void take_in(struct queue *queue, int64_t delay_ns)
{
	while (queue->count < QUEUE_MAX) {
		struct packet *packet =
			&queue->packets[(queue->first + queue->count) & (QUEUE_MAX - 1)];
		ssize_t size = read(queue->from, packet->data, PACKET_MAX);

		if (size <= 0)
			return;
		packet->size = (size_t)size;
		packet->due_ns = now_ns() + delay_ns;
		queue->count++;
	}
}

/* Sends what is due. Returns when the next one is, or INT64_MAX. */
static int64_t send_out(struct queue *queue)
{
	while (queue->count) {
		struct packet *packet = &queue->packets[queue->first];

		if (packet->due_ns > now_ns())
			return packet->due_ns;
		/* A full device loses packets, as a cable's end does; one that is not up yet, too. */
		if (write(queue->to, packet->data, packet->size) < 0 && errno != EAGAIN &&
		    errno != EIO)
			perror("delay: write");
		queue->first = (queue->first + 1) & (QUEUE_MAX - 1);
		queue->count--;
	}
	return INT64_MAX;
}

static void timer_set(int timer, int64_t due_ns)
{
	int64_t at = due_ns == INT64_MAX ? 0 : due_ns - SPIN_NS;
	struct itimerspec when = { .it_value = { .tv_sec = at / 1000000000,
						 .tv_nsec = at % 1000000000 } };

	timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void carry(int timer, int64_t delay_ns)
{
	struct pollfd fds[] = { { .fd = queues[0].from, .events = POLLIN },
				{ .fd = queues[1].from, .events = POLLIN },
				{ .fd = timer, .events = POLLIN } };

	for (;;) {
		int64_t due_ns = INT64_MAX;

		for (size_t i = 0; i < 2; i++) {
			int64_t next_ns;

			take_in(&queues[i], delay_ns);
			next_ns = send_out(&queues[i]);
			due_ns = next_ns < due_ns ? next_ns : due_ns;
		}
		if (due_ns - now_ns() < SPIN_NS)
			continue;
		timer_set(timer, due_ns);
		poll(fds, 3, -1);
	}
}

int main(int argc, char **argv)
{
	char *end = NULL;
	long long delay_us = argc == 2 ? strtoll(argv[1], &end, 10) : -1;
	struct sched_param priority = { .sched_priority = 1 };
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	int near, far;

	if (delay_us < 0 || delay_us > 10000000 || *end) {
		fputs("usage: delay MICROSECONDS\n", stderr);
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1);
	/* Best effort: without it the delay is only less even. */
	(void)sched_setscheduler(0, SCHED_FIFO, &priority);
	near = tun_open();
	if (unshare(CLONE_NEWNET) < 0) {
		perror("delay: unshare");
		return 1;
	}
	far = tun_open();
	queues[0].from = queues[1].to = near;
	queues[0].to = queues[1].from = far;
	puts("ready");
	fflush(stdout);
	carry(timer, (int64_t)delay_us * 1000);
	return 0;
}
