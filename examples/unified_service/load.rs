//! Clients: a bounded load of requests of each sort.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::Failure;
use crate::api::NewOrder;

const AT_ONCE: usize = 8;

/// How requests went: how many had each status.
#[derive(Default)]
pub(crate) struct Sent {
    by_status: BTreeMap<u16, u32>,
}

impl Sent {
    pub(crate) fn summary(&self) -> String {
        let all: u32 = self.by_status.values().sum();
        let of: Vec<_> = self.by_status.iter().map(|(status, count)| format!("{count} with status {status}")).collect();
        format!("{all} requests: {}", of.join(", "))
    }
}

async fn request(client: &reqwest::Client, url: &str, number: u32) -> Result<u16, Failure> {
    // Some items are asked for much more often than others, and some there are not.
    let item = if number.is_multiple_of(3) { number % 220 } else { number % 10 };
    let request = match number % 10 {
        0..6 => client.get(format!("{url}/items/{item}")),
        6 | 7 => client.get(format!("{url}/search?text=item%20{}", number % 20)),
        _ => client.post(format!("{url}/orders")).json(&NewOrder { item: number % 30, customer: "alice".to_owned() }),
    };
    Ok(request.send().await?.status().as_u16())
}

/// Sends so many requests, some of them at once.
pub(crate) async fn requests(url: &str, count: u32) -> Result<Sent, Failure> {
    let client = reqwest::Client::new();
    let (mut sent, mut running) = (Sent::default(), JoinSet::new());
    for number in 0..count {
        if running.len() >= AT_ONCE
            && let Some(status) = running.join_next().await
        {
            *sent.by_status.entry(status??).or_default() += 1;
        }
        let (client, url) = (client.clone(), url.to_owned());
        running.spawn(async move { request(&client, &url, number).await });
    }
    while let Some(status) = running.join_next().await {
        *sent.by_status.entry(status??).or_default() += 1;
    }
    Ok(sent)
}

/// Sends some fifty requests a second for so long.
pub(crate) async fn for_a_while(url: &str, time: Duration) -> Result<(), Failure> {
    let began = Instant::now();
    let url = url.trim_end_matches('/');
    while began.elapsed() < time {
        println!("{}", requests(url, 250).await?.summary());
        sleep(Duration::from_secs(5)).await;
    }
    Ok(())
}
