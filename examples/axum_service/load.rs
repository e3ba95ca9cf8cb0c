//! The client: a bounded load on `orders`, each request a trace of its own, and a look at where the traces went.

use std::collections::BTreeMap;

use monitor_core::{Context, InContext, monitor, track_operation};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::Failure;
use crate::orders::Order;
use crate::process::Service;

const REQUESTS: u32 = 200;
const AT_ONCE: usize = 8;

/// How a request went.
struct Answer {
    status: u16,
    sent: String,
    /// The trace that came out at the other end.
    arrived: Option<String>,
}

pub(crate) async fn run() -> Result<(), Failure> {
    let stock = Service::start(&["stock"]).await?;
    let orders = Service::start(&["orders", &stock.url]).await?;
    let client = reqwest::Client::new();

    let mut answers = Vec::new();
    let mut running = JoinSet::new();
    for id in 0..REQUESTS {
        if running.len() >= AT_ONCE
            && let Some(answer) = running.join_next().await
        {
            answers.push(answer??);
        }
        running.spawn(request(client.clone(), orders.url.clone(), id).in_context(Context::new_trace()));
    }
    while let Some(answer) = running.join_next().await {
        answers.push(answer??);
    }
    for service in [&orders, &stock] {
        println!("{}\n", client.get(format!("{}/monitor", service.url)).send().await?.text().await?);
    }
    println!("{}\n", monitor().snapshot().summary());
    let (orders, stock) = (orders.stop().await?, stock.stop().await?);
    show(&answers, &orders, &stock)
}

#[track_operation(name = "order", kind = "client")]
async fn request(client: reqwest::Client, url: String, id: u32) -> Result<Answer, Failure> {
    let here = Context::current();
    let parent = here.traceparent().ok_or("an operation has a trace")?;
    let request = client.get(format!("{url}/orders/{id}")).header("traceparent", parent.to_string());
    let response = request.header("tracestate", format!("load={id}")).send().await?;
    let status = response.status().as_u16();
    let order: Option<Order> = if status == 200 { Some(response.json().await?) } else { None };
    Ok(Answer { status, sent: parent.trace_id.to_string(), arrived: order.and_then(|order| order.trace_id) })
}

/// Looks at each request's trace in the logs of both services, and shows one.
fn show(answers: &[Answer], orders: &[String], stock: &[String]) -> Result<(), Failure> {
    let (orders, stock) = (by_trace(orders)?, by_trace(stock)?);
    let mut statuses: BTreeMap<u16, u32> = BTreeMap::new();
    for answer in answers {
        *statuses.entry(answer.status).or_default() += 1;
        let in_both = orders.contains_key(&answer.sent) && stock.contains_key(&answer.sent);
        if !in_both || answer.arrived.as_ref().is_some_and(|arrived| *arrived != answer.sent) {
            return Err(format!("the trace {} did not go all the way", answer.sent).into());
        }
    }
    if let Some(failed) = answers.iter().find(|answer| answer.status == 502) {
        println!("what one request that failed left in the logs:");
        for (service, lines) in [("orders", &orders), ("stock", &stock)] {
            for line in &lines[&failed.sent] {
                println!("  {service:6}  {line}");
            }
        }
    }
    let statuses: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} with status {status}")).collect();
    println!("\n{} requests: {}; each trace is in the logs of both services", answers.len(), statuses.join(", "));
    Ok(())
}

/// The lines of a log under the traces that they say.
fn by_trace(log: &[String]) -> Result<BTreeMap<String, Vec<&str>>, Failure> {
    let mut lines: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for line in log {
        let parsed: Value = serde_json::from_str(line)?;
        let trace = parsed["trace_id"].as_str().ok_or_else(|| format!("no trace in {line}"))?;
        lines.entry(trace.to_owned()).or_default().push(line);
    }
    Ok(lines)
}
