//! Row 3 in Tokio: spawn a task that returns at once, await it; one at a time.
use peers::{builder, cores, ns_each, run};
use std::time::Instant;
use tokio::spawn;

const PAIRS: usize = 1_500_000;

async fn round(pairs: usize) -> f64 {
    let start = Instant::now();
    for _ in 0..pairs {
        spawn(async {}).await.expect("the child panicked");
    }
    ns_each(start, pairs)
}

fn main() {
    let runtime = builder(cores()).build().expect("no runtime");
    run(&runtime, round(PAIRS / 10));
    println!("fork_join {:.1} ns", run(&runtime, round(PAIRS)));
}
