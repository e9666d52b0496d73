/*
 * A CoreMark-like program of our own (not EEMBC's CoreMark; its scores do not compare): each iteration searches, sorts
 * and reverses a linked list, multiplies small matrices, runs a state machine over text, and folds everything into a
 * CRC-16. Free of headers, so that the cc1 row can compile it. Usage: corelike [iterations]
 */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef short s16;
typedef int s32;

int printf(const char *, ...);
int atoi(const char *);

static u16 crc8(u8 data, u16 crc) {
  for (int i = 0; i < 8; i++) {
    u8 carry = (u8)((data & 1) ^ (u8)(crc & 1));
    data >>= 1;
    if (carry == 1) {
      crc ^= 0x4002;
      carry = 1;
    } else
      carry = 0;
    crc >>= 1;
    if (carry) crc |= 0x8000;
    else crc &= 0x7fff;
  }
  return crc;
}

static u16 crc16(u16 value, u16 crc) { return crc8((u8)(value >> 8), crc8((u8)value, crc)); }
static u16 crc32w(u32 value, u16 crc) { return crc16((u16)(value >> 16), crc16((u16)value, crc)); }

/* ---- lists */

#define ITEMS 48
struct data {
  s16 value, place;
};
struct item {
  struct item *next;
  struct data *data;
};
static struct item items[ITEMS];
static struct data datas[ITEMS];

typedef s32 (*compare)(struct data *, struct data *, u32 *);

static s32 by_place(struct data *a, struct data *b, u32 *calls) {
  (*calls)++;
  return a->place - b->place;
}

static u16 state_machine_crc(u16 seed, u16 crc);

/* As expensive as work gets: the value is worked out once, then kept in the high bits. */
static s32 by_value(struct data *a, struct data *b, u32 *calls) {
  struct data *both[2] = {a, b};
  s32 out[2];
  for (int i = 0; i < 2; i++) {
    s16 v = both[i]->value;
    if ((v & 0x80) == 0) {
      s16 worked = (s16)(crc16((u16)(v & 7), (u16)(v >> 3)) & 0x7f);
      both[i]->value = (s16)((v & 0xff00) | 0x80 | worked);
    }
    out[i] = both[i]->value & 0x7f;
  }
  (*calls)++;
  return out[0] - out[1];
}

static struct item *find(struct item *list, s16 place, s16 value) {
  if (place >= 0)
    while (list && list->data->place != place) list = list->next;
  else
    while (list && (list->data->value & 0xff) != value) list = list->next;
  return list;
}

static struct item *reverse(struct item *list) {
  struct item *done = 0, *next;
  while (list) {
    next = list->next;
    list->next = done;
    done = list;
    list = next;
  }
  return done;
}

static struct item *merge_sort(struct item *list, compare cmp, u32 *calls) {
  for (s32 size = 1;; size *= 2) {
    struct item *p = list, *tail = 0, *q, *e;
    s32 merges = 0;
    list = 0;
    while (p) {
      s32 psize = 0, qsize = size;
      merges++;
      for (q = p; psize < size && q; q = q->next) psize++;
      while (psize > 0 || (qsize > 0 && q)) {
        if (psize == 0) e = q, q = q->next, qsize--;
        else if (qsize == 0 || !q || cmp(p->data, q->data, calls) <= 0) e = p, p = p->next, psize--;
        else e = q, q = q->next, qsize--;
        if (tail) tail->next = e;
        else list = e;
        tail = e;
      }
      p = q;
    }
    tail->next = 0;
    if (merges <= 1) return list;
  }
}

static u16 lists(struct item **head, s16 seed, u16 crc) {
  struct item *list = *head, *found;
  u32 calls = 0;
  s32 missed = 0, hit = 0;
  for (s16 i = 0; i < 16; i++) {
    found = i & 1 ? find(list, (s16)((seed + i * 3) % (ITEMS + 4)), 0) : find(list, -1, (s16)((seed * 7 + i) & 0xff));
    list = reverse(list);
    if (!found) missed++;
    else {
      hit++;
      if (found->data->value & 1) crc = crc16((u16)found->data->value, crc);
      if (found->next) {
        struct item *moved = found->next;
        found->next = moved->next;
        moved->next = list->next;
        list->next = moved;
      }
    }
  }
  list = merge_sort(list, by_value, &calls);
  for (found = list->next; found; found = found->next) crc = crc16((u16)found->data->value, crc);
  list = merge_sort(list, by_place, &calls);
  for (found = list; found; found = found->next) {
    crc = crc16((u16)found->data->place, crc);
    found->data->value = (s16)(found->data->place * 37 + seed);
    found->data->value &= 0x7f7f;
  }
  *head = list;
  return crc32w(calls, crc16((u16)(hit * 4 - missed), crc));
}

/* ---- matrices */

#define N 9
static s16 left[N * N], right[N * N];
static s32 product[N * N];

static void fill(s16 seed) {
  s32 order = 1;
  for (s32 i = 0; i < N * N; i++) {
    seed = (s16)((order * seed) % 65536);
    s16 v = (s16)(seed + order);
    right[i] = v;
    left[i] = (s16)((v + order++) & 0xff);
  }
}

static s16 sum(s32 clip) {
  s32 total = 0, last = 0;
  s16 out = 0;
  for (s32 i = 0; i < N * N; i++) {
    s32 now = product[i];
    total += now;
    if (total > clip) out += 10, total = 0;
    else out += now > last;
    last = now;
  }
  return out;
}

static u16 matrices(s16 value, u16 crc) {
  s32 clip = 0xf000 | value;
  for (s32 i = 0; i < N * N; i++) left[i] += value;
  for (s32 i = 0; i < N * N; i++) product[i] = left[i] * value;
  crc = crc16((u16)sum(clip), crc);
  for (s32 i = 0; i < N; i++) {
    product[i] = 0;
    for (s32 j = 0; j < N; j++) product[i] += left[i * N + j] * right[j];
  }
  crc = crc16((u16)sum(clip), crc);
  for (s32 i = 0; i < N; i++)
    for (s32 j = 0; j < N; j++) {
      s32 total = 0;
      for (s32 k = 0; k < N; k++) total += left[i * N + k] * right[k * N + j];
      product[i * N + j] = total;
    }
  crc = crc16((u16)sum(clip), crc);
  for (s32 i = 0; i < N; i++)
    for (s32 j = 0; j < N; j++) {
      s32 total = 0;
      for (s32 k = 0; k < N; k++) {
        s32 part = left[i * N + k] * right[k * N + j];
        total += ((part >> 2) & 0xf) * ((part >> 5) & 0x7f);
      }
      product[i * N + j] = total;
    }
  crc = crc16((u16)sum(clip), crc);
  for (s32 i = 0; i < N * N; i++) left[i] -= value;
  return crc;
}

/* ---- a state machine that tells numbers apart */

enum state { START, INVALID, SIGN, INTEGER, FRACTION, MANTISSA, EXPONENT, POWER, STATES };
static u8 text[512];
static u32 size;

static const char *const WORDS[16] = {"5012", "1234", "-874", "+122", "35.54400", ".1234500", "-110.700", "+0.64400",
                                      "5.500e+3", "-.123e-2", "-87e+832", "+0.6e-12", "T0.3e-1F", "-T.T++Tq", "1T3.4e4z", "34.0e-T^"};

static void write_text(u32 seed) {
  size = 0;
  while (size < sizeof text - 10) {
    seed = seed * 1103515245 + 12345;
    for (const char *p = WORDS[(seed >> 16) & 15]; *p; p++) text[size++] = (u8)*p;
    text[size++] = ',';
  }
  text[size] = 0;
}

static int digit(u8 c) { return c >= '0' && c <= '9'; }

static enum state next_word(u8 **from, u32 *transitions) {
  u8 *p = *from;
  enum state state = START;
  for (; *p && state != INVALID; p++) {
    u8 c = *p;
    if (c == ',') {
      p++;
      break;
    }
    switch (state) {
      case START:
        if (digit(c)) state = INTEGER;
        else if (c == '+' || c == '-') state = SIGN;
        else if (c == '.') state = FRACTION;
        else state = INVALID, transitions[INVALID]++;
        transitions[START]++;
        break;
      case SIGN:
        state = digit(c) ? INTEGER : c == '.' ? FRACTION : INVALID;
        transitions[SIGN]++;
        break;
      case INTEGER:
        if (c == '.') state = FRACTION, transitions[INTEGER]++;
        else if (!digit(c)) state = INVALID, transitions[INTEGER]++;
        break;
      case FRACTION:
        if (c == 'E' || c == 'e') state = MANTISSA, transitions[FRACTION]++;
        else if (!digit(c)) state = INVALID, transitions[FRACTION]++;
        break;
      case MANTISSA:
        state = c == '+' || c == '-' ? EXPONENT : INVALID;
        transitions[MANTISSA]++;
        break;
      case EXPONENT:
        state = digit(c) ? POWER : INVALID;
        transitions[EXPONENT]++;
        break;
      case POWER:
        if (!digit(c)) state = INVALID, transitions[INVALID]++;
        break;
      default:
        break;
    }
  }
  *from = p;
  return state;
}

static u16 state_machine_crc(u16 seed, u16 crc) {
  u32 ends[STATES] = {0}, transitions[STATES] = {0};
  u8 step = (u8)(seed % 17 + 3);
  for (u8 *p = text; *p;) ends[next_word(&p, transitions)]++;
  for (u32 i = step; i < size; i += step)
    if (text[i] != ',') text[i] ^= (u8)(seed & 15);
  for (u8 *p = text; *p;) ends[next_word(&p, transitions)]++;
  for (u32 i = step; i < size; i += step)
    if (text[i] != ',') text[i] ^= (u8)(seed & 15);
  for (int i = 0; i < STATES; i++) crc = crc32w(transitions[i], crc32w(ends[i], crc));
  return crc;
}

int main(int argc, char **argv) {
  s32 iterations = argc > 1 ? atoi(argv[1]) : 20000;
  struct item *list = items;
  u16 crc = 0;
  for (s32 i = 0; i < ITEMS; i++) {
    datas[i].place = (s16)i;
    datas[i].value = (s16)((i * 37) & 0x7f7f);
    items[i].data = &datas[i];
    items[i].next = i + 1 < ITEMS ? &items[i + 1] : 0;
  }
  fill(0x66);
  write_text(0x3415);
  for (s32 i = 0; i < iterations; i++) {
    crc = lists(&list, (s16)(i & 0xff), crc);
    crc = matrices((s16)(i & 0x1f), crc);
    crc = state_machine_crc((u16)(i & 7), crc);
  }
  printf("%d iterations, crc %04x\n", iterations, crc);
  return 0;
}
