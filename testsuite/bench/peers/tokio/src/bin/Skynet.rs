//! Row 7 in Tokio: a tree of tasks, 10 children each, 1,000,000 leaves; sums go up.
//!
//! `fork` names its result type for the reason given in Fib.rs.
use peers::{best_ms, builder, cores, run, status_bytes};
use tokio::{spawn, task::JoinHandle};

const CHILDREN: u64 = 10;
const LEAVES: u64 = 1_000_000;

/// The sum of `leaves` numbers from `first` up.
async fn sum(first: u64, leaves: u64) -> u64 {
    if leaves == 1 {
        return first;
    }
    let part = leaves / CHILDREN;
    let children: [_; CHILDREN as usize] =
        std::array::from_fn(|child| fork(first + child as u64 * part, part));
    let mut total = 0;
    for child in children {
        total += child.await.expect("a child panicked");
    }
    total
}

fn fork(first: u64, leaves: u64) -> JoinHandle<u64> {
    spawn(sum(first, leaves))
}

fn main() {
    let runtime = builder(cores()).build().expect("no runtime");
    let right = LEAVES * (LEAVES - 1) / 2;
    let best = best_ms(|| assert_eq!(run(&runtime, sum(0, LEAVES)), right));
    println!("skynet {:.1} ms", best);
    println!("skynet_rss {:.1} MiB", status_bytes("VmHWM") as f64 / 1048576.0);
}
