//! What the Tokio and rayon peers share: arguments, runtimes, clocks, figures, file descriptors.
//!
//! One core: a current-thread runtime, which is the faster of Tokio's two there.  More cores: the
//! work-stealing one.  The body always runs as a task of its own: the future given to `block_on`
//! is polled by a thread that is no worker, and every wake-up of it would cost a futex.
//! A runtime gets the drivers that its program needs and no others, as each costs at every turn
//! of the scheduler.  The allocator is the C library's, Rust's default, told to keep what it has
//! (else each wave of tasks would give its pages back and the next would fault them in again);
//! the driver puts jemalloc in its place, which is a little faster.

use std::fs::{read_to_string, File};
use std::future::Future;
use std::io::Error;
use std::os::raw::{c_int, c_uint};
use std::os::unix::io::{FromRawFd, RawFd};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// The whole number that follows `name` on the command line, or `otherwise`.
pub fn argument(name: &str, otherwise: usize) -> usize {
    let mut words = std::env::args().skip_while(|word| word != name).skip(1);
    match words.next() {
        None => otherwise,
        Some(word) => word.parse().unwrap_or_else(|_| {
            eprintln!("{} takes a whole number, not {}", name, word);
            std::process::exit(1);
        }),
    }
}

/// The number of scheduler threads asked for: `--cores N`.
pub fn cores() -> usize {
    argument("--cores", 1).max(1)
}

/// A builder for as many scheduler threads, without timers and without I/O.
pub fn builder(cores: usize) -> Builder {
    set_malloc(M_TRIM_THRESHOLD, -1); // never
    if cores == 1 {
        return Builder::new_current_thread();
    }
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(cores);
    builder
}

/// Lets all threads allocate from one heap, so that tasks freed on one serve another thread's next
/// wave; worth its lock only where there are a great many tasks.
pub fn share_heap() {
    set_malloc(M_ARENA_MAX, 1);
}

/// Runs `body` as a task of `runtime` and gives what it gives.
pub fn run<F>(runtime: &Runtime, body: F) -> F::Output
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    runtime.block_on(runtime.spawn(body)).expect("the body panicked")
}

/// Nanoseconds per piece of work, when `pieces` of it began at `start` and have just ended.
pub fn ns_each(start: Instant, pieces: usize) -> f64 {
    start.elapsed().as_nanos() as f64 / pieces as f64
}

/// Runs `round` once to warm up, then until half a second is over (three times at least), and
/// gives the milliseconds of the shortest run.
pub fn best_ms(mut round: impl FnMut()) -> f64 {
    round();
    let begin = Instant::now();
    let mut best = f64::MAX;
    let mut runs = 0;
    while runs < 3 || begin.elapsed() < Duration::from_millis(500) {
        let start = Instant::now();
        round();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
        runs += 1;
    }
    best
}

/// What `share` of the samples do not exceed; `samples` are sorted on the way.
pub fn percentile(samples: &mut [u64], share: f64) -> u64 {
    samples.sort_unstable();
    samples[((samples.len() - 1) as f64 * share) as usize]
}

/// Prints the median and the 99th percentile of `samples`, which are nanoseconds, in us.
pub fn print_p50_p99(name: &str, samples: &mut [u64]) {
    println!("{}_p50 {:.2} us", name, percentile(samples, 0.50) as f64 / 1e3);
    println!("{}_p99 {:.2} us", name, percentile(samples, 0.99) as f64 / 1e3);
}

/// A field of /proc/self/status, in bytes: "VmRSS" (resident now), "VmHWM" (at the most).
pub fn status_bytes(field: &str) -> usize {
    let status = read_to_string("/proc/self/status").expect("/proc/self/status");
    let line = status.lines().find(|line| line.starts_with(field)).expect("no such field");
    let kib = line.split_whitespace().nth(1).expect("no number");
    kib.parse::<usize>().expect("not a number") * 1024
}

/// Pseudo-random numbers, splitmix64.
pub struct Random(pub u64);

impl Random {
    /// The next number, below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % limit
    }
}

/// A counter that one task alone adds to and that others may read.  It has a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
pub struct Tally(AtomicU64);

impl Tally {
    pub fn add_one(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed); // one writer: no locked operation
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A word that one task waits for and another fills, and what wakes the first: `Notify` is the
/// lightest of Tokio's ways for one task to wait for another.
#[derive(Default)]
#[repr(align(64))]
pub struct Cell {
    number: AtomicUsize, // written before the notification, read after it
    filled: Notify,
}

impl Cell {
    pub fn put(&self, number: usize) {
        self.number.store(number, Relaxed);
        self.filled.notify_one();
    }

    pub async fn take(&self) -> usize {
        self.filled.notified().await;
        self.number.load(Relaxed)
    }
}

#[repr(C)]
struct Timespec {
    seconds: i64,
    nanoseconds: i64,
}

// Of the C library, which the standard library links in any case; 64-bit Linux.
extern "C" {
    fn pipe2(fds: *mut c_int, flags: c_int) -> c_int;
    fn eventfd(initial: c_uint, flags: c_int) -> c_int;
    fn mallopt(option: c_int, value: c_int) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int;
}

const M_TRIM_THRESHOLD: c_int = -1;
const M_ARENA_MAX: c_int = -8;
const CLOCK_MONOTONIC: c_int = 1;
const CLOCK_PROCESS_CPUTIME_ID: c_int = 2;
const NONBLOCK_CLOEXEC: c_int = 0o4000 | 0o2_000_000;

fn set_malloc(option: c_int, value: c_int) {
    let is_set = unsafe { mallopt(option, value) };
    assert_eq!(is_set, 1);
}

fn clock_ns(clock: c_int) -> u64 {
    let mut time = Timespec { seconds: 0, nanoseconds: 0 };
    let result = unsafe { clock_gettime(clock, &mut time) };
    assert_eq!(result, 0);
    time.seconds as u64 * 1_000_000_000 + time.nanoseconds as u64
}

/// The time of the monotonic clock, as a number that fits an atomic word.
pub fn now_ns() -> u64 {
    clock_ns(CLOCK_MONOTONIC)
}

/// CPU time of the whole process so far.
pub fn cpu_ns() -> u64 {
    clock_ns(CLOCK_PROCESS_CPUTIME_ID)
}

fn file(fd: RawFd) -> File {
    unsafe { File::from_raw_fd(fd) } // closes it when dropped
}

/// A new pipe, non-blocking at both ends: where to read, where to write.
pub fn pipe() -> (File, File) {
    let mut fds = [0; 2];
    if unsafe { pipe2(fds.as_mut_ptr(), NONBLOCK_CLOEXEC) } != 0 {
        eprintln!("pipe2: {}", Error::last_os_error());
        std::process::exit(1);
    }
    (file(fds[0]), file(fds[1]))
}

/// A new eventfd, non-blocking.
pub fn event() -> File {
    let fd = unsafe { eventfd(0, NONBLOCK_CLOEXEC) };
    if fd < 0 {
        eprintln!("eventfd: {}", Error::last_os_error());
        std::process::exit(1);
    }
    file(fd)
}
