//! Row 2 in Tokio: two tasks yield to each other.
//!
//! `yield_now` puts the task back only after the scheduler has looked at its drivers, so that with
//! two tasks every second switch pays for a look; the runtime here has no drivers, which makes it
//! cheap.  On more than one core each worker would keep a task of its own and nothing would switch.
use peers::{builder, cores, ns_each, run};
use std::time::Instant;
use tokio::{join, spawn, task::yield_now};

const SWITCHES: usize = 2_000_000;

async fn yield_often(times: usize) {
    for _ in 0..times {
        yield_now().await;
    }
}

async fn round(switches: usize) -> f64 {
    let start = Instant::now();
    let (one, other) = join!(spawn(yield_often(switches / 2)), spawn(yield_often(switches / 2)));
    one.and(other).expect("a task panicked");
    ns_each(start, switches)
}

fn main() {
    let runtime = builder(cores()).build().expect("no runtime");
    run(&runtime, round(SWITCHES / 10));
    println!("yield {:.1} ns", run(&runtime, round(SWITCHES)));
}
