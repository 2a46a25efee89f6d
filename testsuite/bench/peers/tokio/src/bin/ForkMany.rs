//! Row 4 in Tokio: spawn 1000 tasks that return at once, then await them all.
use peers::{builder, cores, ns_each, run};
use std::time::Instant;
use tokio::spawn;

const CHILDREN: usize = 1000;
const ROUNDS: usize = 2000;

async fn rounds(times: usize) -> f64 {
    let mut children = Vec::with_capacity(CHILDREN);
    let start = Instant::now();
    for _ in 0..times {
        children.extend((0..CHILDREN).map(|_| spawn(async {})));
        for child in children.drain(..) {
            child.await.expect("a child panicked");
        }
    }
    ns_each(start, times * CHILDREN)
}

fn main() {
    let runtime = builder(cores()).build().expect("no runtime");
    run(&runtime, rounds(ROUNDS / 10));
    println!("fork_many {:.1} ns", run(&runtime, rounds(ROUNDS)));
}
