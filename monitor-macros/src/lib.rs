//! The attributes [`#[track_operation]`](macro@track_operation) and [`#[track_operations]`](macro@track_operations) and
//! the derive [`MonitorState`](derive@MonitorState) of [`monitor-core`](https://docs.rs/monitor-core), which re-exports them: depend on that, not on this crate.
//!
//! # One function
//!
//! ```ignore
//! use monitor_core::track_operation;
//!
//! #[track_operation]
//! fn parse(text: &str) -> Result<Doc, ParseError> { .. }
//!
//! #[track_operation(name = "db.fetch_user", kind = "database", labels(table = "users"), fields(user_id))]
//! async fn fetch(user_id: u64) -> io::Result<User> { .. }
//! ```
//!
//! Without a name the operation is called after the function, its type included: `crate::module::Type::method`,
//! `<crate::Type as crate::Trait>::method`, `crate::Type<_>::method` for all instances of a generic type together.
//!
//! The outcome is read from the returned value: an `Err` is a failure, a panic that leaves the function counts as
//! panicked, a future dropped before it is ready as cancelled, everything else as a success. It goes by type, so aliases
//! of `Result` work; nothing is asked of the error type. Its text is kept, with its sources, when it is an `Error` or a
//! pointer to one (`Box<dyn Error>`, `anyhow::Error`), else by `Display`, else by `Debug`, else just its name.
//!
//! # Arguments
//!
//! | argument | value | effect | default |
//! |---|---|---|---|
//! | `name` | text, 1 to 200 bytes | the operation's name | path of the function |
//! | `kind` | text, 1 to 200 bytes | what it is: `"database"`, `"batch"` | `"function"` |
//! | `component` | text, 1 to 200 bytes | the part of the program it belongs to | none |
//! | `labels(key = value, ..)` | texts, or expressions that are texts or `Display`; at most 8 | part of the series: few distinct values. Keys as Prometheus takes them: `[a-zA-Z_][a-zA-Z0-9_]*`, no leading `__` | none |
//! | `fields(argument, key = expression, ..)` | any type; at most 16 | kept in individual records only: many distinct values. Numbers and truth values keep their type, the rest is text by `Display`, `Debug` or the type's name, cut at 256 bytes | none: no argument is ever captured unless listed |
//! | `items`, `bytes` | integer expression, evaluated as the call begins | amount of work | none |
//! | `items_from` | closure from `&success value` to an integer | amount of work, from the result; not called on failure | none |
//! | `sample` | 1 to `1_000_000` | one call in about so many is timed; counts and outcomes stay exact | `1`: every call |
//! | `record` | `"auto"`, `"all"`, `"errors"`, `"slow(250ms)"`, `"none"`; units ns, us, ms, s, m | which calls are kept individually | `"auto"` |
//! | `error_if` | closure from `&returned value` to `bool` or `Option<impl Display>` | own reading of the outcome: `true` or `Some(text)` is a failure | by type |
//! | `crate` | path | where `monitor_core` is, if renamed or re-exported | `::monitor_core` |
//! | `skip` | alone | not tracked; only inside `#[track_operations]` | |
//!
//! A wrong argument is one error that names what is allowed. Expressions see the function's arguments before the body
//! does, and only borrow them; one that panics is contained and counts as 0 or as `(panicked)`. In a tracked future,
//! closures must not borrow arguments of the function, which are moved into the future.
//!
//! # What it goes on
//!
//! Functions and methods with a body, of any signature: generic, `unsafe`, `extern`, with `impl Trait` in and out, any
//! receiver, `-> !`. A `const fn`, a method without body and anything else is an error.
//!
//! What is timed is the work. So `async fn`, `-> impl Future` (with no bounds beyond `Send`, `Sync`, `Unpin` and
//! lifetimes) and boxed futures are tracked as futures, from the first poll to the last, also through `async_trait`
//! and `async_recursion`. A boxed future is tracked inside its own box when the body ends in `Box::pin(..)` (in
//! `Box::pin(async ..)`, if the type is not written out as a boxed future) and has no other way out, and in a second box
//! otherwise (`type Reply = Pin<Box<dyn Future ..>>`, `Self::Future`, a box that comes from elsewhere).
//!
//! One form of valid code it cannot take: a box made elsewhere whose output does not live as long as the box
//! (`Pin<Box<dyn Future<Output = &'a T> + 'static>>`), which no second box of that type can hold. End the body in
//! `Box::pin(async move { .. })`.
//!
//! Attributes that rewrite an `async fn` or a whole block (`#[tokio::main]`, `#[tokio::test]`, `#[async_trait]`,
//! `#[async_recursion]`) may stand before or after: ours moves behind them by itself.
//!
//! # What it does to the function
//!
//! Its attributes, visibility and signature go out as they came in; the body is compiled once. It becomes a closure that is
//! called at once, or an async block, and stays where it is in three cases: `-> !`, `-> impl Fn(..)`, and
//! `#[track_caller]`, where the values of `return`s, of `?`s and of the last expression are read in place. Among the
//! arguments of a macro they are not seen: there a failure is counted but its text is not kept.
//!
//! Arguments that the body uses may be dropped in another order when one of them is `mut` or `&mut`.
//!
//! Clippy is shown the function as it was written (`#[cfg(clippy)]`), so its lints, and the compiler's when clippy runs,
//! find what they found. Where an argument of the attribute uses something of the program (`fields`, `items`, `bytes`,
//! `items_from`, `error_if`, `crate`, a computed label), a closure that nobody calls stands at the start of the body
//! that clippy sees and uses the same, since it could seem unused otherwise.
//!
//! Clippy is shown the tracked function only where `items_from` or `error_if` ask for a value whose type is an
//! `impl Trait` other than a future; and the compiler alone always sees it. There, lints that look at a function from
//! outside do not look into the closure: `unconditional_recursion`, `clippy::unnecessary_wraps`,
//! `clippy::needless_pass_by_value` beside a `mut` or `&mut` argument; `clippy::unused_async` and
//! `clippy::manual_async_fn` see a future that is awaited; `clippy::needless_return` does not see the rewritten `return`
//! of a `#[track_caller]` function. `clippy::manual_async_fn` is silent besides where an argument names something that the
//! async block does not take whole. All other lints find what they found, and none comes up because of the attribute.
//!
//! # Features
//!
//! `enabled`, on by default. Without it items come back unchanged; arguments are still checked.
#![forbid(unsafe_code)]

mod args;
mod block;
mod boxed;
mod expand;
mod function;
mod in_place;
mod order;
mod record;
mod returns;
mod site;
mod state;
mod tokens;

use proc_macro::TokenStream;
use proc_macro2::TokenStream as TokenStream2;
use syn::Result;

use args::{BlockArgs, FunctionArgs};
use function::Function;

/// Tracks a function as an operation: how often it runs, for how long, how it ends.
///
/// ```ignore
/// #[track_operation(kind = "database", fields(user_id), items_from = |users| users.len())]
/// async fn fetch(user_id: u64) -> io::Result<Vec<User>> { .. }
/// ```
///
/// The [crate's documentation](crate#arguments) has all arguments, and what the attribute goes on.
///
/// # Errors
///
/// A wrong argument or item is one compile error that names what is allowed.
///
/// # Cost
///
/// Little more than two clock reads a call; with `sample`, far less. No allocation, unless `fields` hold texts or a
/// label of a future is known only at run time.
#[proc_macro_attribute]
pub fn track_operation(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finished(item.clone(), on_function(arguments.into(), item.into()))
}

/// Tracks every function of an `impl` block, a trait or an inline module, as
/// [`#[track_operation]`](macro@track_operation) on each would.
///
/// ```ignore
/// #[track_operations(kind = "database", component = "storage")]
/// impl Store {
///     pub async fn read(&self, key: &str) -> io::Result<Vec<u8>> { .. }
///
///     #[track_operation(name = "store.write", items = values.len())]
///     pub async fn write(&self, values: &[Vec<u8>]) -> io::Result<()> { .. }
///
///     #[track_operation(skip)]
///     fn len(&self) -> usize { .. }
/// }
/// ```
///
/// The arguments `kind`, `component`, `labels` (with fixed values), `sample`, `record` and `crate` are handed down; a
/// function's own win, and labels are added up. In a module, nested modules, traits and `impl` blocks are included.
///
/// Left out are `const fn`s, functions without a body, tests (`#[test]`, `#[bench]` and attributes of such names), blocks
/// with a `#[track_operations]` of their own, and what macros in the block make. A function with
/// `#[cfg_attr(.., track_operation)]` is left to that.
///
/// # Errors
///
/// As for one function; `name`, `fields` and the like belong to one function and are refused here.
#[proc_macro_attribute]
pub fn track_operations(arguments: TokenStream, item: TokenStream) -> TokenStream {
    finished(item.clone(), on_block(arguments.into(), item.into()))
}

/// Makes the variants of an enum the states of a machine.
///
/// ```ignore
/// #[derive(MonitorState, Clone, Copy, Debug, PartialEq, Eq)]
/// #[monitor_state(name = "backup", stuck_after = "15m")]
/// enum Backup {
///     #[state(initial, to(Scanning), stuck_after = "never")]
///     Idle,
///     #[state(to(Copying = "scanned", Failed))]           // `Copying` on the trigger "scanned", `Failed` by naming it
///     Scanning,
///     #[state(to(Done, Failed), stuck_after = "1h")]
///     Copying,
///     #[state(terminal)]
///     Done,
///     #[state(terminal)]
///     Failed,
/// }
/// ```
///
/// | on the enum: `#[monitor_state(..)]` | value | effect | default |
/// |---|---|---|---|
/// | `name` | text, 1 to 200 bytes | name of the machine | the enum's in `snake_case` |
/// | `stuck_after` | `"15m"`, units ns, us, ms, s, m, h, d; or `"never"` | how long an entity may stay in a state | `"15m"` |
/// | `crate` | path | where `monitor_core` is, if renamed or re-exported | `::monitor_core` |
///
/// | on a variant: `#[state(..)]` | value | effect | default |
/// |---|---|---|---|
/// | `initial` | alone | entities begin here; on exactly one variant | |
/// | `terminal` | alone | ends the entity that comes here | |
/// | `to(..)` | `Variant`, `Variant = "trigger"` | transitions that leave it | none |
/// | `stuck_after` | as above | for this state | that of the enum |
/// | `name` | text, 1 to 200 bytes | name of the state | the variant's in `snake_case` |
///
/// # Errors
///
/// One compile error at the place of the mistake, which names what is allowed: not an enum, generics, variants with
/// fields, no variant or more than 64, an unknown argument, a bad duration, a target that is no variant, no or two
/// initial states, a terminal state that is initial or left, a state that is never reached or has no way out.
#[proc_macro_derive(MonitorState, attributes(monitor_state, state))]
pub fn monitor_state(item: TokenStream) -> TokenStream {
    // The item itself stays where it is: a derive only adds.
    state::derive(item.into()).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn on_function(arguments: TokenStream2, item: TokenStream2) -> Result<TokenStream2> {
    let FunctionArgs(args) = syn::parse2(arguments)?;
    let function = Function::read(item.clone())?;
    if cfg!(feature = "enabled") { expand::function(item, &function, &args) } else { Ok(item) }
}

fn on_block(arguments: TokenStream2, item: TokenStream2) -> Result<TokenStream2> {
    let BlockArgs(args) = syn::parse2(arguments)?;
    block::expand(&args, item, cfg!(feature = "enabled"))
}

/// What came out, or the one error and the item as it was, so that nothing else in the program seems wrong.
fn finished(item: TokenStream, expanded: Result<TokenStream2>) -> TokenStream {
    let refused = |error: syn::Error| TokenStream::from_iter([error.to_compile_error().into(), item]);
    expanded.map_or_else(refused, TokenStream::from)
}
