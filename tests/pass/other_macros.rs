//! Together with the attributes of Tokio, `async_trait`, `async_recursion` and the test harness, in either order.
#![deny(warnings, clippy::all, clippy::pedantic, missing_docs)]
#![forbid(unsafe_code)]

use async_recursion::async_recursion;
use async_trait::async_trait;
use monitor_core::{track_operation, track_operations};

#[async_trait]
trait Store {
    async fn read(&self, key: &str) -> Result<String, String>;

    #[track_operation]
    async fn twice(&self, key: &str) -> Result<String, String>
    where
        Self: Sync,
    {
        let once = self.read(key).await?;
        Ok(once + &self.read(key).await?)
    }

    async fn nothing(&mut self);
}

struct Memory;

#[async_trait]
impl Store for Memory {
    #[track_operation(fields(key), items_from = |text| text.len())]
    async fn read(&self, key: &str) -> Result<String, String> {
        tokio::task::yield_now().await;
        if key.is_empty() {
            return Err("no key".into());
        }
        Ok(key.to_owned())
    }

    #[track_operation]
    async fn nothing(&mut self) {
        tokio::task::yield_now().await;
    }
}

struct Inside;

#[async_trait]
#[track_operations]
impl Store for Inside {
    async fn read(&self, key: &str) -> Result<String, String> {
        tokio::task::yield_now().await;
        Ok(key.to_owned())
    }

    async fn nothing(&mut self) {}
}

struct Outside;

#[track_operations]
#[async_trait]
impl Store for Outside {
    async fn read(&self, key: &str) -> Result<String, String> {
        tokio::task::yield_now().await;
        Ok(key.to_owned())
    }

    async fn nothing(&mut self) {}
}

#[async_trait(?Send)]
trait Local {
    async fn local<T: Clone + 'static>(&self, value: &T) -> std::rc::Rc<T>;
}

#[async_trait(?Send)]
impl Local for Memory {
    #[track_operation]
    async fn local<T: Clone + 'static>(&self, value: &T) -> std::rc::Rc<T> {
        tokio::task::yield_now().await;
        std::rc::Rc::new(value.clone())
    }
}

#[track_operation]
#[async_recursion]
async fn outside(n: u32) -> u32 {
    if n == 0 { 0 } else { outside(n - 1).await + 1 }
}

#[async_recursion]
#[track_operation]
async fn inside(n: u32) -> Result<u32, String> {
    if n == 0 { Err("end".to_owned()) } else { Ok(inside(n - 1).await? + 1) }
}

#[tokio::main(flavor = "current_thread")]
#[track_operation]
async fn outer_main() -> Result<(), String> {
    let memory = Memory;
    memory.twice("a").await?;
    let (mut inside_it, mut outside_it) = (Inside, Outside);
    inside_it.nothing().await;
    outside_it.nothing().await;
    inside_it.twice("a").await?;
    outside_it.read("a").await?;
    assert_eq!(*memory.local(&1).await, 1);
    assert_eq!(outside(3).await, 3);
    assert!(inside(3).await.is_err());
    tokio::spawn(async { Memory.read("a").await }).await.map_err(|error| error.to_string())??;
    Ok(())
}

#[track_operation]
#[tokio::main(flavor = "current_thread")]
async fn inner_main() -> Result<(), String> {
    tokio::task::yield_now().await;
    Ok(())
}

impl Memory {
    fn nothing_now(self) {
        drop(async move { Store::nothing(&mut { self }).await });
    }
}

fn main() -> Result<(), String> {
    Memory.nothing_now();
    outer_main()?;
    inner_main()
}

#[cfg(test)]
mod tests {
    use monitor_core::track_operation;

    #[tokio::test]
    #[track_operation]
    async fn tokio_test_first() {
        tokio::task::yield_now().await;
    }

    #[track_operation]
    #[tokio::test]
    async fn tokio_test_last() -> Result<(), String> {
        tokio::task::yield_now().await;
        Ok(())
    }

    #[test]
    #[track_operation]
    fn test_first() {}

    #[track_operation]
    #[test]
    fn test_last() -> Result<(), String> {
        Ok(())
    }

    #[track_operation]
    #[test]
    #[should_panic(expected = "on purpose")]
    fn test_panics() {
        panic!("on purpose");
    }
}
