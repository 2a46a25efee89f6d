//! Row 6 in Tokio: fib(30), a task for every call with n > 1.
//!
//! `fork` and `call` name their result types, which lets the compiler see that the recursive future
//! may be sent to other threads; a forked call is then stored in its task without a box.
use peers::{best_ms, builder, cores, run};
use std::{future::Future, pin::Pin};
use tokio::{spawn, task::JoinHandle};

async fn fib(n: u32) -> u64 {
    if n < 2 {
        return n.into();
    }
    let forked = fork(n - 1);
    let called = call(n - 2).await;
    forked.await.expect("the child panicked") + called
}

fn fork(n: u32) -> JoinHandle<u64> {
    spawn(fib(n))
}

fn call(n: u32) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(fib(n))
}

fn main() {
    let runtime = builder(cores()).build().expect("no runtime");
    let best = best_ms(|| assert_eq!(run(&runtime, fib(30)), 832_040));
    println!("fib {:.1} ms", best);
}
