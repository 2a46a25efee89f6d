//! Row 17 in Tokio: memory per task, with 100,000 and then 1,000,000 tasks blocked.
//!
//! Each waits for a oneshot channel of its own, whose other end is kept.
use peers::{builder, cores, run, status_bytes};
use tokio::{spawn, sync::oneshot};

const FEW: usize = 100_000;
const MANY: usize = 1_000_000;
const WARM_UP: usize = 1000;

type Cells = Vec<oneshot::Sender<usize>>;

/// Blocks `tasks` more; the sending ends are added to `cells`.
async fn block(tasks: usize, mut cells: Cells) -> Cells {
    for _ in 0..tasks {
        let (sender, receiver) = oneshot::channel();
        cells.push(sender);
        spawn(receiver);
        if cells.len() % 100 == 0 {
            tokio::task::yield_now().await; // they run, and block, a hundred at a time
        }
    }
    cells
}

fn main() {
    let runtime = builder(cores()).build().expect("no runtime");
    let mut cells = run(&runtime, block(WARM_UP, Cells::with_capacity(WARM_UP + MANY)));
    let before = status_bytes("VmRSS");
    for (total, name) in [(FEW, "rss_100k"), (MANY, "rss_1m")] {
        cells = run(&runtime, block(WARM_UP + total - cells.len(), cells));
        println!("{} {} B", name, (status_bytes("VmRSS") - before) / total);
    }
    std::process::exit(0); // without waking a million tasks first
}
