//! Row 5 in Tokio: 503 tasks in a ring pass one number, less one at each hop.
//!
//! A channel of one (`mpsc::channel(1)`) in the place of the cell takes a third longer on one core
//! and twice as long on two; a oneshot channel would have to be allocated for every hop.
use peers::{builder, cores, ns_each, run, Cell};
use std::sync::Arc;
use std::time::Instant;
use tokio::spawn;

const TASKS: usize = 503;
const HOPS: usize = 2_000_000;

/// Passes the number on until it is 0, the last time as 0 itself, to end the others too.
async fn pass_on(ring: Arc<Vec<Cell>>, own: usize) {
    let next = (own + 1) % TASKS;
    loop {
        let number = ring[own].take().await;
        ring[next].put(number.saturating_sub(1));
        if number == 0 {
            return;
        }
    }
}

async fn round(hops: usize) -> f64 {
    let ring: Arc<Vec<Cell>> = Arc::new((0..TASKS).map(|_| Cell::default()).collect());
    let tasks: Vec<_> = (0..TASKS).map(|own| spawn(pass_on(ring.clone(), own))).collect();
    let start = Instant::now();
    ring[0].put(hops);
    for task in tasks {
        task.await.expect("a task panicked");
    }
    ns_each(start, hops + TASKS)
}

fn main() {
    let runtime = builder(cores()).build().expect("no runtime");
    run(&runtime, round(HOPS / 10));
    println!("ring {:.1} ns", run(&runtime, round(HOPS)));
}
