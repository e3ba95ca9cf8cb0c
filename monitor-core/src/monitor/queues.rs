//! Queues of a monitor.

use super::Monitor;
use crate::trackers::queues::Queue;

/// # Queues
impl Monitor {
    /// The queue of that name, see [`Queue`]: made when it is first asked for. Keep it: looking it up costs some nanoseconds
    /// for each queue there is.
    ///
    /// ```
    /// use monitor_core::monitor;
    ///
    /// let mail = monitor().queue("mail");
    /// let ticket = mail.enqueued(); // it travels with the item
    /// let processing = ticket.start();
    /// // .. the work ..
    /// processing.succeed();
    /// println!("{:?} waited at most", mail.stats().max_waiting());
    /// ```
    #[must_use]
    pub fn queue(&self, name: &str) -> Queue {
        Queue::new(self.recorder(), name)
    }
}
