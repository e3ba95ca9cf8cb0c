//! Values that an argument does not take.
use monitor_core::track_operation;

#[track_operation(name = "")]
fn empty_name() {}

#[track_operation(name = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")]
fn long_name() {}

#[track_operation(name = NAME)]
fn name_by_constant() {}

#[track_operation(kind = "")]
fn empty_kind() {}

#[track_operation(sample = 0)]
fn sample_zero() {}

#[track_operation(sample = 1_000_001)]
fn sample_too_large() {}

#[track_operation(sample = 99999999999999999999)]
fn sample_huge() {}

#[track_operation(sample = "10")]
fn sample_text() {}

#[track_operation(sample = -1)]
fn sample_negative() {}

#[track_operation(record = "some")]
fn record_unknown() {}

#[track_operation(record = "slow(250)")]
fn record_without_unit() {}

#[track_operation(record = all)]
fn record_word() {}

#[track_operation(labels(größe = "a"))]
fn label_not_ascii() {}

#[track_operation(labels(__name = "a"))]
fn label_reserved() {}

#[track_operation(labels(a))]
fn label_without_value() {}

#[track_operation(labels("a" = "b"))]
fn label_key_text() {}

#[track_operation(labels(a = "1", a = "2"))]
fn label_twice() {}

#[track_operation(labels(a = "", b = "", c = "", d = "", e = "", f = "", g = "", h = "", i = ""))]
fn labels_too_many() {}

#[track_operation(labels = "a")]
fn labels_no_list() {}

#[track_operation(fields(a.b))]
fn field_of_field(a: (u8,)) {}

#[track_operation(fields(a, a = 1))]
fn field_twice(a: u8) {}

#[track_operation(fields(a = 1, b = 1, c = 1, d = 1, e = 1, f = 1, g = 1, h = 1, i = 1, j = 1, k = 1, l = 1, m = 1, n = 1, o = 1, p = 1, q = 1))]
fn fields_too_many() {}

#[track_operation(crate = "monitor_core")]
fn crate_text() {}

fn main() {}
