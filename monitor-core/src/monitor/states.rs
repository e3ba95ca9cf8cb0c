//! State machines of a monitor.

use super::Monitor;
use crate::base::error::Error;
use crate::trackers::states::builder::StateMachineBuilder;
use crate::trackers::states::spec::MonitorState;
use crate::trackers::states::typed::{StateMachineBuilderOf, StateMachineOf};

/// # State machines
impl Monitor {
    /// A state machine to define, with states given by name: see [`StateMachineBuilder`].
    pub fn state_machine(&self, name: impl Into<String>) -> StateMachineBuilder {
        StateMachineBuilder::new(self.recorder(), name.into())
    }

    /// The state machine of an enum, which `#[derive(MonitorState)]` makes one: defined when it is first asked for.
    ///
    /// ```
    /// use monitor_core::{Monitor, MonitorState};
    ///
    /// #[derive(MonitorState, Clone, Copy, Debug, PartialEq, Eq)]
    /// #[monitor_state(stuck_after = "15m")]
    /// enum Backup {
    ///     #[state(initial, to(Scanning), stuck_after = "never")]
    ///     Idle,
    ///     #[state(to(Copying = "scanned", Failed))]
    ///     Scanning,
    ///     #[state(to(Done, Failed), stuck_after = "1h")]
    ///     Copying,
    ///     #[state(terminal)]
    ///     Done,
    ///     #[state(terminal)]
    ///     Failed,
    /// }
    ///
    /// let local = Monitor::builder().build()?;
    /// let machine = local.state_machine_of::<Backup>()?;
    /// let db = machine.entity("db1")?;
    /// db.to(Backup::Scanning).unwrap();
    /// db.trigger("scanned").unwrap();
    /// assert_eq!(db.state(), Backup::Copying);
    /// assert!(db.to(Backup::Idle).is_err());
    /// assert_eq!(local.snapshot().state_machine("backup").unwrap().state("copying").unwrap().entities, 1);
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`StateMachineBuilder::build`].
    pub fn state_machine_of<S: MonitorState>(&self) -> Result<StateMachineOf<S>, Error> {
        self.state_machine_builder_of().build()
    }

    /// The state machine of an enum with guards, or with another number of entities.
    ///
    /// ```
    /// # use monitor_core::{Monitor, MonitorState};
    /// #[derive(MonitorState)]
    /// enum Order {
    ///     #[state(initial, to(Paid = "payment"))]
    ///     New,
    ///     #[state(terminal)]
    ///     Paid,
    /// }
    ///
    /// let local = Monitor::builder().build()?;
    /// let machine = local.state_machine_builder_of::<Order>()
    ///     .guard(Order::New, Order::Paid, |_| Err("no stock".into()))
    ///     .build()?;
    /// let error = machine.entity("A-17")?.trigger("payment").unwrap_err();
    /// assert_eq!(error.guard(), Some("no stock"));
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn state_machine_builder_of<S: MonitorState>(&self) -> StateMachineBuilderOf<S> {
        StateMachineBuilderOf::new(self.recorder())
    }
}
