//! Row 27 in Tokio: two tasks, a cell each: each puts into the other's and takes from its own.
use peers::{builder, cores, ns_each, run, Cell};
use std::sync::Arc;
use std::time::Instant;
use tokio::spawn;

const HOPS: usize = 2_000_000;

/// Half of the hops are each task's.
async fn round(hops: usize) -> f64 {
    let (mine, other) = (Arc::new(Cell::default()), Arc::new(Cell::default()));
    let (its_own, its_other) = (other.clone(), mine.clone());
    let start = Instant::now();
    let peer = spawn(async move {
        for _ in 0..hops / 2 {
            its_other.put(its_own.take().await);
        }
    });
    for number in 0..hops / 2 {
        other.put(number);
        mine.take().await;
    }
    peer.await.expect("the task panicked");
    ns_each(start, hops)
}

fn main() {
    let runtime = builder(cores()).build().expect("no runtime");
    run(&runtime, round(HOPS / 10));
    println!("mvar {:.1} ns", run(&runtime, round(HOPS)));
}
