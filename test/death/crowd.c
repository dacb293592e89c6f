/*
 * A crowd of clients, each a process, of which one is killed at a time and replaced: two hundred processes of Node could not be
 * started as fast as they are to die here. They are written from docs/protocol.md alone.
 *
 *     crowd <directory of the port's socket> <its name> <clients> <milliseconds between two deaths> <seconds>
 *
 * Most clients call and check the answers. Some say no hello, some never read the welcome, some post as much as there is room for.
 * At the end all are killed, and one line tells what there was: killed=30000 calls=812345 posts=... wrong=0
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define RECORD 64              /* a header of 32 bytes and a payload of 32: a ring holds a whole number of them */
#define MAGIC 0x43504c41

enum { TAIL = 128 / 4, HEAD = 256 / 4, DATA_SLEEP = 384 / 4, STATE = 392 / 4 };
enum { REQUEST = 1, REPLY = 2, DATAGRAM = 3 };
enum { SILENT, DEAF, POSTING, CALLING };

typedef _Atomic uint32_t word;

static uint32_t page_size, ring_size; /* the shortest ring is one page */

/* What the clients tell, in memory that all of them share. */
static struct { _Atomic long calls, posts, wrong, connected; } *told;

static void fail(const char *what) {
  perror(what);
  told->wrong++;
  _exit(1);
}

/* A sealed file of memory, mapped for writing. */
static uint32_t *memory(const char *name, size_t size, int *fd) {
  *fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (*fd < 0 || ftruncate(*fd, size) < 0) fail("memfd_create");
  uint32_t *words = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
  if (words == MAP_FAILED) fail("mmap");
  words[0] = MAGIC;
  words[1] = 1;
  if (size == page_size) words[2] = getpid();
  else words[2] = page_size, words[3] = ring_size, words[4] = getpid(), words[STATE] = 1;
  if (fcntl(*fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | 0x10 /* F_SEAL_FUTURE_WRITE */) < 0) fail("seals");
  return words;
}

static int enter(const char *name) {
  int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, name, sizeof address.sun_path - 1);
  while (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    if (errno != EAGAIN && errno != EINTR) fail("connect");
    usleep(1000);
  }
  return fd;
}

static void say_hello(int fd, int outbox, int page) {
  uint32_t hello[8] = {MAGIC, 1, 1, ring_size, 65535, 0, 0, 0};
  struct iovec part = {hello, sizeof hello};
  union { struct cmsghdr header; char room[CMSG_SPACE(2 * sizeof(int))]; } control = {0};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(2 * sizeof(int));
  memcpy(CMSG_DATA(header), (int[]){outbox, page}, 2 * sizeof(int));
  if (sendmsg(fd, &message, MSG_NOSIGNAL) < 0) fail("hello");
}

/* The server's outbox, mapped read-only; `ring` is how long its ring is. */
static uint32_t *read_welcome(int fd, uint32_t *ring) {
  uint32_t welcome[8];
  struct iovec part = {welcome, sizeof welcome};
  union { struct cmsghdr header; char room[CMSG_SPACE(2 * sizeof(int))]; } control;
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
  ssize_t length = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (length < (ssize_t)sizeof welcome || welcome[2] != 2) fail("welcome");
  int files[2];
  memcpy(files, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof files);
  *ring = welcome[3];
  uint32_t *words = mmap(NULL, page_size + *ring, PROT_READ, MAP_SHARED, files[0], 0);
  if (words == MAP_FAILED) fail("mmap");
  close(files[0]);
  close(files[1]);
  return words;
}

struct port { int fd; uint32_t *own, *peer, ring, tail, head, sequence, sleep, answered; };

/* Publishes a record; 0 when there is no room. */
static int publish(struct port *port, uint32_t type, uint32_t id) {
  uint32_t used = port->tail - *(word *)&port->peer[HEAD];
  if (used + RECORD > ring_size) return 0;
  uint32_t *record = port->own + (page_size + port->tail % ring_size) / 4;
  memset(record, 0, RECORD);
  record[0] = RECORD;
  record[1] = type;
  record[2] = id;
  record[5] = ++port->sequence;
  for (int i = 8; i < 16; i++) record[i] = id * 2654435761u ^ getpid();
  port->tail += RECORD;
  *(word *)&port->own[TAIL] = port->tail;
  uint32_t sleep = *(word *)&port->peer[DATA_SLEEP];
  if ((sleep & 1) && sleep != port->answered) {
    port->answered = sleep;
    send(port->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  return 1;
}

/* Sleeps until the server has published something. */
static void await_reply(struct port *port) {
  while (*(word *)&port->peer[TAIL] == port->head) {
    *(word *)&port->own[DATA_SLEEP] = ++port->sleep;
    if (*(word *)&port->peer[TAIL] == port->head) {
      struct pollfd wait = {port->fd, POLLIN, 0};
      poll(&wait, 1, -1);
      char bell[8];
      if (recv(port->fd, bell, sizeof bell, MSG_DONTWAIT) == 0) fail("the server is gone");
    }
    *(word *)&port->own[DATA_SLEEP] = ++port->sleep;
  }
}

static void call(struct port *port, uint32_t id) {
  if (!publish(port, REQUEST, id)) return;
  await_reply(port);
  const uint32_t *record = port->peer + (page_size + port->head % port->ring) / 4;
  int good = record[0] == RECORD && (record[1] & 0xff) == REPLY && record[2] == id;
  for (int i = 8; i < 16; i++) good = good && record[i] == (id * 2654435761u ^ (uint32_t)getpid());
  if (!good) told->wrong++;
  port->head += RECORD;
  *(word *)&port->own[HEAD] = port->head;
  told->calls++;
}

/* A client lives until it is killed. */
static void live(const char *name, unsigned seed) {
  srand(seed);
  int kind = (int[]){SILENT, DEAF, POSTING}[rand() % 3];
  if (rand() % 10 < 7) kind = CALLING;
  int outbox, page;
  struct port port = {.fd = enter(name)};
  if (kind == SILENT) for (;;) pause();
  port.own = memory("alpc:crowd", page_size + ring_size, &outbox);
  memory("alpc:wait", page_size, &page);
  say_hello(port.fd, outbox, page);
  if (kind == DEAF) for (;;) pause();
  port.peer = read_welcome(port.fd, &port.ring);
  told->connected++;
  for (uint32_t id = 1;; id++) {
    if (kind == CALLING) call(&port, id);
    else told->posts += publish(&port, DATAGRAM, id);
    usleep(rand() % (kind == CALLING ? 40000 : 4000));
  }
}

static pid_t start(const char *name) {
  pid_t parent = getpid(), pid = fork();
  if (pid < 0) exit(1);
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(0);
  live(name, getpid());
  _exit(0);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1e3 + time.tv_nsec / 1e6;
}

int main(int count, char **arguments) {
  if (count != 6) return 2;
  const char *name = arguments[2];
  int clients = atoi(arguments[3]), period = atoi(arguments[4]), seconds = atoi(arguments[5]);
  pid_t *crowd = calloc(clients, sizeof *crowd);
  long killed = 0;
  page_size = ring_size = sysconf(_SC_PAGESIZE);
  told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (chdir(arguments[1]) < 0) return 2;
  srand(getpid());
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (int i = 0; i < clients; i++) crowd[i] = start(name);
  double begin = now(), next = begin + period;
  for (; next < begin + seconds * 1e3; next += period) {
    if (next > now()) usleep((next - now()) * 1e3);
    int victim = rand() % clients;
    kill(crowd[victim], SIGKILL);
    waitpid(crowd[victim], NULL, 0);
    crowd[victim] = start(name);
    killed++;
  }
  for (int i = 0; i < clients; i++) {
    kill(crowd[i], SIGKILL);
    waitpid(crowd[i], NULL, 0);
  }
  printf("killed=%ld connected=%ld calls=%ld posts=%ld wrong=%ld seconds=%.1f\n", killed, told->connected, told->calls, told->posts, told->wrong, (now() - begin) / 1e3);
  return 0;
}
