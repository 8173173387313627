// target[:, rows] += values for a target of shape (outer, n, width) and values of shape (outer, k, width). Rows wrap around, as CuPy's indices do.
//
// T: the target's elements; V: the values', of the same type, or the bits of a 16-bit float that is added to a float; I: the rows'.
// EXPONENT: 0, or how many exponent bits that 16-bit float has: 5 for float16, 8 for bfloat16.

template <int EXPONENT>
__device__ inline float widened(unsigned short bits) {
    if (EXPONENT == 8) return __uint_as_float((unsigned)bits << 16);
    const unsigned magnitude = (bits & 0x7fffu) << 13, sign = (bits & 0x8000u) << 16;
    if ((bits & 0x7c00u) == 0x7c00u) return __uint_as_float(sign | magnitude | 0x7f800000u);
    return __uint_as_float(sign | __float_as_uint(__uint_as_float(magnitude) * 0x1p112f));  // exact, for subnormal numbers too
}

template <typename T, typename V, int EXPONENT>
struct Value {
    __device__ static T of(V value) { return value; }
};
template <>
struct Value<float, unsigned short, 5> {
    __device__ static float of(unsigned short bits) { return widened<5>(bits); }
};
template <>
struct Value<float, unsigned short, 8> {
    __device__ static float of(unsigned short bits) { return widened<8>(bits); }
};

// There are no atomics of one or two bytes on every architecture: exchange the four that they are among.
template <typename T>
__device__ inline void add_among_four(T* at, T value) {
    const size_t address = (size_t)at;
    unsigned* const word = (unsigned*)(address & ~(size_t)3);
    const unsigned shift = (unsigned)(address & 3) * 8, mask = (unsigned)(T)~0 << shift;
    unsigned now = *word, before;
    do {
        before = now;
        now = atomicCAS(word, before, (before & ~mask) | (((before >> shift) + value) << shift & mask));
    } while (now != before);
}

template <typename T>
__device__ inline void add_one(T* at, T value) { atomicAdd(at, value); }
__device__ inline void add_one(unsigned char* at, unsigned char value) { add_among_four(at, value); }
__device__ inline void add_one(unsigned short* at, unsigned short value) { add_among_four(at, value); }
__device__ inline void add_one(bool* at, bool value) {
    if (value) *at = true;  // whoever comes first or last writes the same
}

template <typename T>
__device__ inline T sum_of(T a, T b) { return (T)(a + b); }
__device__ inline bool sum_of(bool a, bool b) { return a || b; }

// In whatever order the threads come.
template <typename T, typename V, typename I, int EXPONENT>
__global__ void add(T* target, const V* __restrict__ values, const I* __restrict__ rows, long long count, long long n, long long k, long long width) {
    const long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= count) return;
    const long long column = e % width, item = e / width, outer = item / k;
    long long row = (long long)rows[item % k] % n;
    if (row < 0) row += n;
    add_one(&target[(outer * n + row) * width + column], Value<T, V, EXPONENT>::of(values[e]));
}

// In the order of the values, the same in every run. `rows` are in range and sorted, `order` says which item of the values each belongs to;
// the thread of a row's first item adds all of them.
template <typename T, typename V, typename I, int EXPONENT>
__global__ void add_sorted(T* target, const V* __restrict__ values, const I* __restrict__ rows, const long long* __restrict__ order,
                           long long count, long long n, long long k, long long width) {
    const long long e = (long long)blockIdx.x * blockDim.x + threadIdx.x;
    if (e >= count) return;
    const long long column = e % width, first = e / width % k, outer = e / width / k;
    const I row = rows[first];
    if (first && rows[first - 1] == row) return;
    T* const at = &target[(outer * n + row) * width + column];
    T sum = *at;
    for (long long i = first; i < k && rows[i] == row; ++i)
        sum = sum_of(sum, Value<T, V, EXPONENT>::of(values[(outer * k + order[i]) * width + column]));
    *at = sum;
}
