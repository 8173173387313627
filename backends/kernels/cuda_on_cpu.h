// Runs CUDA kernels on the CPU, unchanged: grids and blocks of one dimension, __shared__, barriers, warp shuffles, atomics.
//
// The threads of a block run one after the other, each up to its end. One that meets a barrier is left there, with its stack, and the others
// go on in a stack of their own: so a kernel without barriers costs a loop, and one with barriers a change of stack per thread and barrier.
// A barrier that not all threads of the block reach (of the warp's mask, for shuffles) is an error here; on a GPU it is undefined behaviour.
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __shared__ static  // blocks run one after the other, so one copy serves them all
#define __forceinline__ inline
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))

struct OnCpuIndex {
    unsigned x, y, z;
};
static OnCpuIndex threadIdx{0, 0, 0}, blockIdx{0, 0, 0}, blockDim{1, 1, 1}, gridDim{1, 1, 1};
static const int warpSize = 32;

namespace on_cpu {

constexpr std::size_t STACK = 128 * 1024;
constexpr unsigned WHOLE_BLOCK = 0;  // what a thread at __syncthreads waits for; at a shuffle it is the warp's mask

struct Stack {
    ucontext_t context;
    std::unique_ptr<char[]> memory;
    unsigned thread;
    unsigned awaits;
    bool waiting;
};

static std::function<void()> body;
static std::vector<std::unique_ptr<Stack>> stacks;
static Stack* running;
static ucontext_t scheduler;
static unsigned started, finished;
static std::vector<std::uint64_t> lanes[2];  // what each thread shows to its warp; in turns, since a thread may be one shuffle ahead
static std::vector<unsigned char> turn;

inline void threads() {
    for (;;) {
        while (started < blockDim.x) {
            running->thread = threadIdx.x = started++;
            body();
            ++finished;
        }
        swapcontext(&running->context, &scheduler);
    }
}

inline void resume(Stack* stack) {
    running = stack;
    stack->waiting = false;
    threadIdx.x = stack->thread;
    swapcontext(&scheduler, &stack->context);
}

inline void wait(unsigned awaits) {
    Stack* self = running;
    self->awaits = awaits;
    self->waiting = true;
    swapcontext(&self->context, &scheduler);
}

inline Stack* idle_stack() {
    for (auto& stack : stacks)
        if (!stack->waiting) return stack.get();
    stacks.push_back(std::make_unique<Stack>());
    Stack* stack = stacks.back().get();
    stack->memory.reset(new char[STACK]);
    getcontext(&stack->context);
    stack->context.uc_stack.ss_sp = stack->memory.get();
    stack->context.uc_stack.ss_size = STACK;
    stack->context.uc_link = nullptr;
    makecontext(&stack->context, threads, 0);
    return stack;
}

inline const char* run_block() {
    started = finished = 0;
    while (started < blockDim.x) resume(idle_stack());
    std::vector<Stack*> at(blockDim.x), released;
    while (finished < blockDim.x) {
        std::fill(at.begin(), at.end(), nullptr);
        for (auto& stack : stacks)
            if (stack->waiting) at[stack->thread] = stack.get();
        released.clear();
        for (unsigned warp = 0; warp < blockDim.x; warp += warpSize) {
            const unsigned end = std::min(warp + warpSize, blockDim.x);
            for (unsigned t = warp; t < end; ++t) {
                if (!at[t] || at[t]->awaits == WHOLE_BLOCK) continue;
                bool all = true;
                for (unsigned u = warp; u < end; ++u)
                    if (at[t]->awaits >> (u - warp) & 1) all = all && at[u] && at[u]->awaits == at[t]->awaits;
                if (all) released.push_back(at[t]);
            }
        }
        if (released.empty())
            for (Stack* stack : at)
                if (stack && stack->awaits == WHOLE_BLOCK) released.push_back(stack);
                else return "the threads of a block do not all reach the same barrier";
        for (Stack* stack : released) resume(stack);
    }
    return nullptr;
}

template <class... P, std::size_t... I>
void call(void (*kernel)(P...), void** args, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_const_t<P>*>(args[I])...);
}

// Returns null, or what went wrong.
template <class... P>
const char* run(void (*kernel)(P...), unsigned grid, unsigned block, void** args) {
    gridDim.x = grid;
    blockDim.x = block;
    body = [=] { call(kernel, args, std::index_sequence_for<P...>{}); };
    for (auto& lane : lanes) lane.assign(block, 0);
    turn.assign(block, 0);
    const char* error = nullptr;
    for (unsigned b = 0; b < grid && !error; ++b) {
        blockIdx.x = b;
        error = run_block();
    }
    stacks.clear();
    return error;
}

template <class T>
T shuffle(unsigned mask, T value, unsigned source) {
    static_assert(sizeof(T) <= 8, "a shuffle moves at most eight bytes");
    const unsigned thread = threadIdx.x, first = thread / warpSize * warpSize;
    auto& shown = lanes[turn[thread] ^= 1];
    std::memcpy(&shown[thread], &value, sizeof(T));
    wait(mask);
    // A source outside the warp, or past the block's end, gives the thread its own value.
    if (source < unsigned(warpSize) && first + source < blockDim.x) std::memcpy(&value, &shown[first + source], sizeof(T));
    return value;
}

inline unsigned lane() { return threadIdx.x % warpSize; }

}  // namespace on_cpu

static inline void __syncthreads() { on_cpu::wait(on_cpu::WHOLE_BLOCK); }
static inline void __syncwarp(unsigned mask = 0xffffffffu) { on_cpu::shuffle(mask, 0, 32); }
template <class T> T __shfl_sync(unsigned mask, T value, int source) { return on_cpu::shuffle(mask, value, unsigned(source) % warpSize); }
template <class T> T __shfl_xor_sync(unsigned mask, T value, int bits) { return on_cpu::shuffle(mask, value, on_cpu::lane() ^ unsigned(bits)); }
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned delta) { return on_cpu::shuffle(mask, value, on_cpu::lane() + delta); }
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned delta) { return on_cpu::shuffle(mask, value, on_cpu::lane() - delta); }

inline void __threadfence_system() {}
template <class T> T atomicAdd(T* p, T value) { return std::exchange(*p, T(*p + value)); }
template <class T> T atomicMax(T* p, T value) { return std::exchange(*p, std::max(*p, value)); }
template <class T> T atomicMin(T* p, T value) { return std::exchange(*p, std::min(*p, value)); }
template <class T> T atomicCAS(T* p, T expected, T value) { return std::exchange(*p, *p == expected ? value : *p); }

static inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
    return static_cast<unsigned long long>(static_cast<unsigned __int128>(a) * b >> 64);
}
static inline float __uint_as_float(unsigned bits) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    return x;
}
static inline unsigned __float_as_uint(float x) {
    unsigned bits;
    std::memcpy(&bits, &x, sizeof(bits));
    return bits;
}
static inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
static inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
using std::max;
using std::min;
