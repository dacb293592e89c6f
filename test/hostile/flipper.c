/*
 * The storm of flipper.ts in C, for a memory that changes as fast as memory can: the same records and the same flips. It is
 * called in a process of its own, with the address of an outbox that this process made and may write. Which words there are besides those
 * of the ring it is told: the list is made from the page's own, so that no word is forgotten.
 */
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

enum { TAIL = 32, HEAD = 64, DATA_SLEEP = 96, STATE = 98, OPEN = 1 };
/* The way back of what is shared: counts, and the rows of numbers behind two of them. */
enum { SENT_VIEWS = 202, SENT_HANDLES = 203, RELEASED = 128, HANDLES_DONE = 129, TOLD = 130, TELLINGS = 416, MAX_DIRECT = 64, RELEASES = 512, MAX_VIEWS = 512 };
enum { LENGTH, TYPE, MESSAGE_ID, CALLBACK_ID, STATUS, SEQUENCE, ATTRIBUTES, RESERVED1, HEADER_WORDS };
enum { FLIP_PAYLOAD = 1, FLIP_HEADER = 2, FLIP_TYPE = 4, FLIP_LENGTH = 8, FLIP_TAIL = 16, FLIP_HEAD = 32, FLIP_CONTROL = 64, FLIP_ATTRIBUTES = 128, FLIP_WAIT = 256, KINDS = 9, SHARING = 1 << 16 };
enum { MOST_RECORDS = 4096 };

typedef struct {
  uint32_t at, words; /* a word, or a row of them */
} place_t;

typedef struct {
  int32_t *own;            /* the outbox: a control page, and the ring behind it */
  const int32_t *theirs;   /* the other side's control page */
  int32_t *wait;           /* the wait page */
  const place_t *places;   /* those of the control page, and then those of the wait page */
  uint32_t page, ring;     /* bytes */
  int32_t socket;
  uint32_t flips, seed;
  uint32_t records;        /* to be published at most */
  uint32_t milliseconds;
  uint32_t control_places, wait_places;
  uint32_t published;      /* out: records */
  uint32_t counts[KINDS];      /* out: flips, by the bit of their kind */
  uint32_t counts_header[HEADER_WORDS];
} storm_t;

static uint32_t random_state;

static uint32_t next_random(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state;
}

static uint32_t payload_words(uint32_t record) { return (((record & 0x7fff) * 2654435761u) >> 16) % 48; }
static int32_t payload_word(uint32_t record, uint32_t at) { return (int32_t)(0x80000000u | (record & 0x7fff) << 12 | at); }

static void store(int32_t *word, int32_t value) { __atomic_store_n(word, value, __ATOMIC_SEQ_CST); }
static int32_t load(const int32_t *word) { return __atomic_load_n(word, __ATOMIC_SEQ_CST); }

/* Wrong for a moment, and then right again. */
static void flip(volatile int32_t *word, int32_t wrong) {
  int32_t right = *word;
  *word = wrong;
  for (volatile uint32_t wait = next_random() % 32; wait > 0; wait--);
  *word = right;
}

static uint32_t milliseconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint32_t)(now.tv_sec * 1000 + now.tv_nsec / 1000000);
}

static int32_t *pick(int32_t *words, const place_t *places, uint32_t count) {
  const place_t *place = &places[next_random() % count];
  return &words[place->at + next_random() % place->words];
}

/* Takes what was shared, as the protocol says: views, their descriptors and their direct messages came one each, numbered from 1. */
static void give_back(storm_t *s) {
  char packet[512];
  while (recv(s->socket, packet, sizeof packet, MSG_DONTWAIT) > 0);
  for (uint32_t done = (uint32_t)s->own[RELEASED]; done < (uint32_t)load(&s->theirs[SENT_VIEWS]); done++) {
    s->own[RELEASES + done % MAX_VIEWS] = (int32_t)done + 1;
    store(&s->own[RELEASED], (int32_t)done + 1);
    s->own[TELLINGS + done % MAX_DIRECT] = (int32_t)done + 1;
    store(&s->own[TOLD], (int32_t)done + 1);
  }
  store(&s->own[HANDLES_DONE], load(&s->theirs[SENT_HANDLES]));
}

int storm(storm_t *s) {
  static uint32_t starts[MOST_RECORDS];
  int32_t *ring = s->own + s->page / 4;
  uint32_t mask = s->ring / 4 - 1; /* of words */
  uint32_t tail = 0, oldest = 0, answered = 0, begun = milliseconds_now();
  random_state = s->seed | 1;
  for (uint32_t turn = 0; load(&s->theirs[STATE]) == OPEN; turn++) {
    uint32_t head = (uint32_t)load(&s->theirs[HEAD]);
    if ((turn & 255) == 0 && milliseconds_now() - begun >= s->milliseconds) return 1;
    while (s->published < s->records && s->published - oldest < MOST_RECORDS) {
      uint32_t words = payload_words(s->published), whole = (HEADER_WORDS + words + 1) & ~1u, at = tail / 4;
      if (tail + whole * 4 - head > s->ring) break;
      int32_t header[HEADER_WORDS] = {32 + (int32_t)words * 4, 3, 0x10000 + (int32_t)(s->published & 0x7fff), 0, 0, (int32_t)s->published + 1, 0, 0};
      for (uint32_t i = 0; i < HEADER_WORDS; i++) ring[(at + i) & mask] = header[i];
      for (uint32_t i = 0; i < whole - HEADER_WORDS; i++) ring[(at + HEADER_WORDS + i) & mask] = i < words ? payload_word(s->published, i) : 0;
      starts[s->published++ % MOST_RECORDS] = at;
      tail += whole * 4;
    }
    store(&s->own[TAIL], (int32_t)tail);
    uint32_t sleeping = (uint32_t)load(&s->theirs[DATA_SLEEP]);
    if ((sleeping & 1) != 0 && sleeping != answered) {
      answered = sleeping;
      send(s->socket, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    store(&s->own[HEAD], load(&s->theirs[TAIL])); /* answers are not looked at */
    if ((s->flips & SHARING) != 0) give_back(s);
    if (head == tail && s->published == s->records) return 0;
    while (oldest < s->published && (int32_t)(starts[oldest % MOST_RECORDS] * 4 - head) < 0) oldest++;
    for (int i = 0; i < 8; i++) {
      uint32_t kind = next_random() % KINDS, bit = 1u << kind;
      if ((s->flips & bit) == 0) continue;
      s->counts[kind]++;
      uint32_t unread = s->published - oldest;
      uint32_t record = oldest + (unread == 0 || next_random() % 2 == 0 ? 0 : next_random() % unread);
      volatile int32_t *words = ring;
      uint32_t at = starts[record % MOST_RECORDS];
      uint32_t wild = next_random();
      if ((bit < FLIP_TAIL || bit == FLIP_ATTRIBUTES) && unread == 0) continue;
      if (bit == FLIP_PAYLOAD) {
        uint32_t most = payload_words(record);
        if (most == 0) continue;
        volatile int32_t *word = &words[(at + HEADER_WORDS + wild % most) & mask];
        flip(word, ~*word);
      } else if (bit == FLIP_HEADER) {
        static const int harmless[] = {MESSAGE_ID, CALLBACK_ID, STATUS, SEQUENCE, RESERVED1};
        int which = harmless[wild % 5];
        s->counts_header[which]++;
        volatile int32_t *word = &words[(at + which) & mask];
        flip(word, ~*word);
      } else if (bit == FLIP_TYPE) {
        static const int32_t types[] = {1, 1, 1, 2, 12, 0x101, 3 | 0x7fffff00, 0};
        s->counts_header[TYPE]++;
        flip(&words[(at + TYPE) & mask], types[wild % 64 == 0 ? 7 : wild % 7]);
      } else if (bit == FLIP_ATTRIBUTES) {
        /* Each attribute alone, all at once, and what is none. */
        static const uint32_t attributes[] = {0x80000000, 0x40000000, 0x10000000, 0x04000000, 0x02000000, 0xd6000000, 1, 0xffffffff};
        s->counts_header[ATTRIBUTES]++;
        flip(&words[(at + ATTRIBUTES) & mask], (int32_t)attributes[wild % 8]);
      } else if (bit == FLIP_LENGTH) {
        s->counts_header[LENGTH]++;
        int32_t right = words[(at + LENGTH) & mask];
        int32_t wrong[] = {right + 4, right - 4, right + 40, right + 8 * (int32_t)(wild >> 8 & 255), 32, 31, 65536, (int32_t)wild};
        flip(&words[(at + LENGTH) & mask], wrong[wild % 8]);
      } else if (bit == FLIP_TAIL) {
        int32_t wrong[] = {(int32_t)tail + 8, (int32_t)tail - 8, (int32_t)tail + 4, (int32_t)(head + s->ring), (int32_t)(head + s->ring + 8), (int32_t)wild};
        flip(&s->own[TAIL], wrong[wild % 6]);
      } else if (bit == FLIP_HEAD) {
        int32_t right = s->own[HEAD], wrong[] = {right + 8, right - 8, right + 4, right ^ INT32_MIN, (int32_t)wild};
        flip(&s->own[HEAD], wrong[wild % 5]);
      } else {
        /* Every other word; a flip of `state` says nothing before the end. Small numbers may be those of views that are out. */
        int32_t *word = bit == FLIP_CONTROL ? pick(s->own, s->places, s->control_places) : pick(s->wait, s->places + s->control_places, s->wait_places);
        flip(word, wild % 4 == 0 ? *word + 1 : wild % 4 == 1 ? (int32_t)(next_random() % 64) : (int32_t)next_random());
      }
    }
  }
  return 2;
}
