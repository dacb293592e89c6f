/*
 * The floor: what two processes that share a page need to answer each other, with no runtime between. 64 bytes are copied each
 * way. In two manners:
 *
 *   spin   both sides look at the page all the time; no system call, two cores fully busy
 *   futex  both sides sleep in the kernel until woken; a FUTEX_WAKE and a FUTEX_WAIT each way
 *
 * `baseline <ms> [<core> <core>]` measures each for so long, with a side on each core if they are given, and prints
 * {"spin":{"median":ns,"p99":ns},"futex":{...}}. The median is of groups of sixteen calls where the calls are short, as in the
 * benchmark's own loops; the 99th percentile is of single calls.
 */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAYLOAD = 64, GROUP = 16, SAMPLES = 1 << 20 };

/* One direction. The number and the bytes are on cache lines of their own. */
struct slot {
    _Alignas(64) _Atomic int32_t turn;
    _Alignas(64) char bytes[PAYLOAD];
};

struct page {
    struct slot request, reply;
};

static double samples[SAMPLES];

/* Of the caller and of the server; -1 leaves it to the scheduler. */
static int cores[2] = { -1, -1 };

static void run_on(int core) {
    cpu_set_t set;
    if (core < 0) return;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    sched_setaffinity(0, sizeof set, &set);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static void await_turn(struct slot *slot, int32_t turn, int sleeps) {
    int32_t seen;
    while ((seen = atomic_load_explicit(&slot->turn, memory_order_acquire)) != turn)
        if (sleeps) syscall(SYS_futex, &slot->turn, FUTEX_WAIT, seen, NULL, NULL, 0);
}

static void publish(struct slot *slot, const char *bytes, int32_t turn, int sleeps) {
    memcpy(slot->bytes, bytes, PAYLOAD);
    atomic_store_explicit(&slot->turn, turn, memory_order_release);
    if (sleeps) syscall(SYS_futex, &slot->turn, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void serve(struct page *page, int sleeps) {
    char bytes[PAYLOAD];
    for (int32_t turn = 1;; turn++) {
        await_turn(&page->request, turn, sleeps);
        memcpy(bytes, page->request.bytes, PAYLOAD);
        publish(&page->reply, bytes, turn, sleeps);
    }
}

static int32_t turn;

static void call(struct page *page, int sleeps) {
    char question[PAYLOAD], answer[PAYLOAD];
    turn++;
    memset(question, turn & 0xff, PAYLOAD);
    publish(&page->request, question, turn, sleeps);
    await_turn(&page->reply, turn, sleeps);
    memcpy(answer, page->reply.bytes, PAYLOAD);
    if (memcmp(question, answer, PAYLOAD) != 0) abort();
}

static size_t measure(struct page *page, int sleeps, int group, double ns) {
    size_t count = 0;
    double before = now(), end = before + ns;
    while (before < end && count < SAMPLES) {
        for (int i = 0; i < group; i++) call(page, sleeps);
        double after = now();
        samples[count++] = (after - before) / group;
        before = after;
    }
    return count;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(size_t count, double q) {
    qsort(samples, count, sizeof samples[0], ascending);
    return samples[(size_t)(q * (count - 1))];
}

static void run(const char *name, int sleeps, double ns) {
    struct page *page = mmap(NULL, sizeof *page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) exit(1);
    pid_t parent = getpid(), child = fork();
    if (child < 0) exit(1);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        run_on(cores[1]);
        if (getppid() == parent) serve(page, sleeps);
        _exit(0);
    }
    turn = 0;
    run_on(cores[0]);
    measure(page, sleeps, 1, ns / 4);
    double p99 = quantile(measure(page, sleeps, 1, ns / 2), 0.99);
    double median = quantile(measure(page, sleeps, sleeps ? 1 : GROUP, ns / 2), 0.5);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    munmap(page, sizeof *page);
    printf("\"%s\":{\"median\":%.1f,\"p99\":%.1f}", name, median, p99);
}

int main(int argc, char **argv) {
    double ns = (argc > 1 ? atof(argv[1]) : 300) * 1e6;
    for (int i = 0; i < 2 && i + 2 < argc; i++) cores[i] = atoi(argv[i + 2]);
    printf("{");
    run("spin", 0, ns);
    printf(",");
    fflush(stdout);
    run("futex", 1, ns);
    printf("}\n");
    return 0;
}
