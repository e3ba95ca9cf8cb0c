//! What a snapshot knows as text for Prometheus.
//!
//! | file | owns |
//! |---|---|
//! | `settings` | the namespace and the bounds of histograms |
//! | `format` | the two formats, and which one a client gets |
//! | `page` | which families are on a page, and the page, chunk by chunk |
//! | `families` | which families there are, and what each has of a snapshot |
//! | `custom` | the host's own metrics, under names of their own |
//! | `exemplars` | traces that stand for buckets and outcomes |
//! | `bounds` | how many values are at most each bound |
//! | `files` | configuration, alerts, a runbook and a dashboard from what a program has |
//! | `lines` | lines: names, labels with their values escaped, numbers |

mod bounds;
mod custom;
mod exemplars;
mod families;
pub(crate) mod files;
pub(crate) mod format;
mod lines;
pub(crate) mod page;
pub(crate) mod settings;
