//! The job that fills up the shelves.

use std::sync::Arc;
use std::time::Duration;

use monitor_core::monitor;
use tokio::time::sleep;

use crate::Failure;
use crate::api::{Shop, blocking};
use crate::database::ITEMS;

/// Gives every item some pieces again.
pub(crate) async fn refill(shop: &Arc<Shop>) -> Result<(), Failure> {
    let job = monitor().progress("refill").total(u64::from(ITEMS)).start();
    for id in 0..ITEMS {
        let shop = shop.clone();
        blocking(move || shop.database.refill(id, 10)).await??;
        job.inc(1);
    }
    job.finish();
    Ok(())
}

/// The same every minute.
pub(crate) async fn refill_again_and_again(shop: Arc<Shop>) {
    loop {
        sleep(Duration::from_mins(1)).await;
        if let Err(error) = refill(&shop).await {
            eprintln!("unified_service: {error}");
        }
    }
}
