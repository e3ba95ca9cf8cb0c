//! Where orders are, and the mails that say so: a queue with two workers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use monitor_core::{MonitorState, Queue, QueuedItem, monitor, track_operation};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::api::Shop;

#[derive(MonitorState, Clone, Copy, Debug, PartialEq, Eq)]
#[monitor_state(name = "order", stuck_after = "5m")]
pub(crate) enum Order {
    #[state(initial, to(Paid, Refused))]
    New,
    #[state(to(Sent))]
    Paid,
    #[state(terminal)]
    Sent,
    #[state(terminal)]
    Refused,
}

type Waiting = QueuedItem<String>;

/// The queue of mails, by the numbers of orders.
pub(crate) struct Mail {
    figures: Queue,
    sender: mpsc::UnboundedSender<Waiting>,
    receiver: Mutex<Option<mpsc::UnboundedReceiver<Waiting>>>,
}

impl Mail {
    pub(crate) fn new() -> Mail {
        let (sender, receiver) = mpsc::unbounded_channel();
        Mail { figures: monitor().queue("mails"), sender, receiver: Mutex::new(Some(receiver)) }
    }

    pub(crate) fn send(&self, order: String) {
        // A mail that nobody takes counts as discarded.
        let _ = self.sender.send(self.figures.enqueue(order));
    }
}

/// The address that the first order of a dozen has is none.
#[derive(Debug)]
struct NoAddress;

impl std::fmt::Display for NoAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the customer has no address")
    }
}

impl std::error::Error for NoAddress {}

/// Sends mails until what is returned is dropped.
pub(crate) fn start_workers(shop: &Arc<Shop>) -> JoinSet<()> {
    let mut workers = JoinSet::new();
    let receiver = shop.mails.receiver.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut receiver) = receiver else { return workers };
    let shop = shop.clone();
    workers.spawn(async move {
        while let Some(waiting) = receiver.recv().await {
            let (order, processing) = waiting.start();
            match mail(&shop, &order).await {
                Ok(()) => processing.succeed(),
                Err(error) => processing.fail(&*error),
            }
        }
    });
    workers
}

#[track_operation(name = "mail.send", kind = "function", component = "mail")]
async fn mail(shop: &Shop, order: &str) -> Result<(), crate::Failure> {
    sleep(Duration::from_millis(1)).await;
    shop.order(order)?.to(Order::Sent)?;
    if order.parse::<u32>().is_ok_and(|number| number % 12 == 1) { Err(NoAddress.into()) } else { Ok(()) }
}

/// Returns when no mail waits or is being sent.
pub(crate) async fn wait_for_all(shop: &Shop) {
    loop {
        let figures = shop.mails.figures.stats();
        if figures.depth == 0 && figures.in_process == 0 {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}
