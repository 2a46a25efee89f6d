//! Row 15 in Tokio: with 1000 timers armed, arm one whose deadline is given, and cancel it.
//!
//! A `Sleep` is armed when it is first polled and cancelled when it is dropped: `select!` does both
//! when something else is ready.  The timer lies in the task's own memory, nothing is allocated.
use peers::{builder, cores, ns_each, run, Random};
use std::time::Duration;
use tokio::time::{sleep_until, Instant};
use tokio::{select, spawn, task::yield_now};

const ARMED: usize = 1000;
const PAIRS: usize = 1_500_000;
const WINDOW_NS: u64 = 1_000_000_000;

async fn round(pairs: usize, deadlines: &[Instant]) -> f64 {
    let start = std::time::Instant::now();
    for pair in 0..pairs {
        select! {
            biased;
            _ = sleep_until(deadlines[pair % deadlines.len()]) => panic!("a minute is over"),
            _ = async {} => {}
        }
    }
    ns_each(start, pairs)
}

async fn measure() -> f64 {
    let mut random = Random(1);
    let base = Instant::now() + Duration::from_secs(60);
    let mut draw = |_| base + Duration::from_nanos(random.below(WINDOW_NS));
    for deadline in (0..ARMED).map(&mut draw) {
        spawn(sleep_until(deadline));
    }
    yield_now().await; // now they are armed
    let deadlines: Vec<Instant> = (0..1024).map(&mut draw).collect();
    round(PAIRS / 10, &deadlines).await;
    round(PAIRS, &deadlines).await
}

fn main() {
    let runtime = builder(cores()).enable_time().build().expect("no runtime");
    println!("timer_cancel {:.1} ns", run(&runtime, measure()));
}
