//! Row 11 in Tokio: 1000 pipes in a ring, 100 bytes under way, one task per pipe.
//!
//! Tokio 1.24 has no pipes, so `AsyncFd` waits for the ends where bytes are read; a pipe here never
//! fills, so the other ends are simply written to.  Tokio registers each end once, edge-triggered:
//! a task reads until the pipe is empty, which costs a second read per event, as it would in any of
//! Tokio's own streams that are read one byte at a time.
use peers::{builder, cores, pipe, Tally};
use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{unix::AsyncFd, Interest};

const PIPES: usize = 1000;
const ACTIVE: usize = 100;

async fn hand_on(source: File, mut target: File, events: Arc<Vec<Tally>>, own: usize) {
    let source = AsyncFd::with_interest(source, Interest::READABLE).expect("no epoll");
    let mut byte = [0; 1];
    loop {
        let mut ready = source.readable().await.expect("no epoll");
        while let Ok(result) = ready.try_io(|source| source.get_ref().read(&mut byte)) {
            assert_eq!(result.expect("read"), 1);
            target.write_all(&byte).expect("write");
            events[own].add_one();
        }
    }
}

/// The events of all tasks so far.
fn total(events: &[Tally]) -> u64 {
    events.iter().map(Tally::get).sum()
}

/// Warms up, then counts events for 0.6 s.  Runs on a thread of its own, asleep nearly always.
fn measure(events: &[Tally]) {
    std::thread::sleep(Duration::from_millis(200));
    let (before, start) = (total(events), Instant::now());
    std::thread::sleep(Duration::from_millis(600));
    let (after, took_ns) = (total(events), start.elapsed().as_nanos());
    println!("pipe_chain {:.1} ns", took_ns as f64 / (after - before) as f64);
    std::process::exit(0);
}

fn main() {
    let runtime = builder(cores()).enable_io().build().expect("no runtime");
    let events: Arc<Vec<Tally>> = Arc::new((0..PIPES).map(|_| Tally::default()).collect());
    let (sources, mut targets): (Vec<File>, Vec<File>) = (0..PIPES).map(|_| pipe()).unzip();
    for target in targets.iter_mut().step_by(PIPES / ACTIVE) {
        target.write_all(&[0]).expect("write");
    }
    targets.rotate_left(1); // whoever reads pipe i writes to pipe i + 1
    for (own, (source, target)) in sources.into_iter().zip(targets).enumerate() {
        runtime.spawn(hand_on(source, target, events.clone(), own));
    }
    std::thread::spawn(move || measure(&events));
    runtime.block_on(std::future::pending())
}
