//! Row 6 in rayon: fib(30), a `join` for every call with n > 1.
//!
//! `join` keeps the forked half on the caller's stack and runs it there unless it was stolen: fork
//! and join without threads of their own, the floor for this row rather than a like for like.
use peers::{best_ms, cores};
use rayon::{join, ThreadPoolBuilder};

fn fib(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let (called, forked) = join(|| fib(n - 2), || fib(n - 1));
    forked + called
}

fn main() {
    let pool = ThreadPoolBuilder::new().num_threads(cores()).build().expect("no pool");
    let best = best_ms(|| assert_eq!(pool.install(|| fib(30)), 832_040));
    println!("fib {:.1} ms", best);
}
