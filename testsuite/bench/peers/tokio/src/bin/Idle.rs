//! Row 21 in Tokio: 1000 tasks blocked for ever.  The driver reads the figures from /proc.
use peers::{builder, cores};
use std::io::Read;
use tokio::sync::Notify;

const TASKS: usize = 1000;

fn main() {
    let runtime = builder(cores()).enable_all().build().expect("no runtime");
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| runtime.spawn(async { Notify::new().notified().await }))
        .collect();
    std::thread::spawn(|| {
        std::io::stdin().read_to_end(&mut Vec::new()).expect("read");
        std::process::exit(0);
    });
    runtime.block_on(async {
        tokio::task::yield_now().await; // on one core: now they have run
        println!("ready");
        for task in tasks {
            task.await.expect("a task panicked");
        }
    });
}
