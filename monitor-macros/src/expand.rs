//! From a function and its arguments to the tracked function.
//!
//! The rules that every form keeps: the tokens before the body go out as they came in; the body is compiled once; no
//! type of the host is written again. The names made here are invisible to the body (`mixed_site`), and what the compiler
//! or clippy finds in made tokens it takes for a macro's and keeps to itself.

mod mention;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Result, ReturnType, TraitBound};

use crate::args::Args;
use crate::boxed;
use crate::function::Function;
use crate::in_place;
use crate::order;
use crate::returns::Returns;
use crate::site::{Site, beside};

/// The tracked function; or the function with our attribute behind those that make something else of it.
pub(crate) fn function(item: TokenStream, function: &Function, args: &Args) -> Result<TokenStream> {
    let is_async = function.signature.asyncness.is_some();
    if is_async && !args.moved && order::has_rewriting(&function.attributes) {
        return order::moved_to_the_end(item, args.krate.as_deref(), "track_operation", &args.written());
    }
    let tracked = tracked(function, args);
    let written = if args.uses_the_program() { mention::beside_the_body(function, args) } else { Some(item) };
    Ok(match written {
        Some(written) => as_written_for_clippy(&written, &tracked),
        None => tracked,
    })
}

/// The tracked function, but for clippy the function as it was written: some lints look at a function from outside, and
/// would not look into the closure that the body becomes.
fn as_written_for_clippy(written: &TokenStream, tracked: &TokenStream) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #[cfg(clippy)]
        #written
        #[cfg(not(clippy))]
        #tracked
    }
}

fn tracked(function: &Function, args: &Args) -> TokenStream {
    let body =
        Expansion { function, body: &function.body, args, site: Site::new(args) }.expanded(&Form::of(function, args));
    let Function { head, inner_attributes, .. } = function;
    let block = in_braces(function.body.span(), quote_spanned!(Span::mixed_site()=> #inner_attributes #body));
    quote_spanned!(Span::mixed_site()=> #head #block)
}

/// How the body is tracked.
enum Form {
    /// The body in a closure: every way out of it comes past the reading of the outcome.
    Closure,
    /// The body where it was, behind the guard: whatever it returns is a success.
    Guard,
    /// The body where it was, its `return`s rewritten: for `#[track_caller]`.
    InPlace,
    /// `async fn`
    Async,
    /// `fn .. -> impl Future`
    Future,
    /// `Box::pin(async ..)` at the end of the body: the block in it is tracked.
    Boxed(boxed::Tail),
    /// The return type decides whether a call or a boxed future is tracked.
    ByType,
}

impl Form {
    fn of(function: &Function, args: &Args) -> Form {
        let signature = &function.signature;
        if signature.asyncness.is_some() {
            return Form::Async;
        }
        let reads_value = args.items_from.is_some() || args.error_if.is_some();
        match Returns::of(&signature.output, &signature.generics) {
            Returns::Never => Form::Guard,
            Returns::Callable if !reads_value => Form::Guard,
            Returns::Future => Form::Future,
            returns @ (Returns::BoxedFuture | Returns::Unknown)
                if let Some(tail) = boxed::Tail::find(function.body.stream(), returns == Returns::BoxedFuture) =>
            {
                Form::Boxed(tail)
            }
            _ if function.has_attribute("track_caller") => Form::InPlace,
            Returns::BoxedFuture | Returns::Unknown => Form::ByType,
            _ => Form::Closure,
        }
    }
}

/// What the forms have in common.
struct Expansion<'a> {
    function: &'a Function,
    /// The function's, or what stands in for it.
    body: &'a Group,
    args: &'a Args,
    site: Site<'a>,
}

impl Expansion<'_> {
    fn expanded(&self, form: &Form) -> TokenStream {
        match form {
            Form::Async => self.asynchronous(),
            Form::Future => self.future(),
            Form::Boxed(tail) => self.boxed(tail),
            Form::ByType => self.by_type(),
            Form::InPlace => self.in_place(),
            Form::Guard => self.guard(),
            Form::Closure => self.closure(self.returns()),
        }
    }

    fn closure(&self, returns: Returns) -> TokenStream {
        let private = &self.site.private;
        let (site_static, enter) = (self.site.definition(), self.site.enter());
        let (tie, body) = (self.tie(), self.body_closure());
        let reading = self.reading(&ident("__monitor_value_ref"), returns);
        quote_spanned! {Span::mixed_site()=>
            #site_static
            #tie
            #enter
            let __monitor_value = #private::run(&__monitor_return, #body);
            let __monitor_value_ref = &__monitor_value;
            #reading
            __monitor_value
        }
    }

    fn guard(&self) -> TokenStream {
        let (site_static, enter, body) = (self.site.definition(), self.site.enter(), self.inner(self.body.stream()));
        quote_spanned! {Span::mixed_site()=>
            #site_static
            #enter
            __monitor_call.in_place(false);
            #body
        }
    }

    fn in_place(&self) -> TokenStream {
        let private = &self.site.private;
        let (site_static, enter, tie) = (self.site.definition(), self.site.enter(), self.tie());
        let reading = self.reading(&ident("__monitor_value_ref"), self.returns());
        let read = |value| {
            quote_spanned! {Span::mixed_site()=> {
                let __monitor_value = #private::same(&__monitor_return, #value);
                let __monitor_value_ref = &__monitor_value;
                #reading
                __monitor_value
            }}
        };
        let question = |value: TokenStream, mark: Span| self.question(&value, mark, &read(ident("__monitor_returned")));
        let question: Option<in_place::Question<'_>> = if never_fails(self.returns()) { None } else { Some(&question) };
        // A last expression may be one that never ends. What came after it would count as unreachable, but for the way
        // round it.
        let last =
            |value| read(quote_spanned!(Span::mixed_site()=> if true { #value } else { __monitor_return.never() }));
        let body = self.inner(in_place::rewritten(self.body, &read, &last, question));
        quote_spanned! {Span::mixed_site()=>
            #site_static
            #tie
            #enter
            __monitor_call.in_place({
                use #private::ShapeOther as _;
                #private::Shape(&__monitor_return).is_result()
            });
            // Here and not beside each `?`: a block there would end the life of what the value borrows from.
            use #private::AskOther as _;
            #body
        }
    }

    /// `value?`, whose error is read on its way out. The `?` stays where it was: it gives the value, refuses what it
    /// refused, and lints on unused values see it.
    fn question(&self, value: &TokenStream, mark: Span, read: &TokenStream) -> TokenStream {
        let private = &self.site.private;
        let start = value.clone().into_iter().next().map_or(mark, |token| token.span());
        // A field and no argument, around which the parentheses of `(a + b)?` would seem one pair too many.
        let asked = quote_spanned! {Span::mixed_site()=>
            match (#private::Question { returns: &__monitor_return, value: #value }).ask() {
                ::core::result::Result::Ok(__monitor_value) => __monitor_value,
                ::core::result::Result::Err(__monitor_returned) => return #read,
            }
        };
        let mut asked = Group::new(Delimiter::Parenthesis, asked);
        asked.set_span(start);
        quote_spanned!(mark=> #asked ?)
    }

    fn asynchronous(&self) -> TokenStream {
        let private = &self.site.private;
        let (site_static, prepare) = (self.site.definition(), self.site.prepare());
        let body = self.inner(self.body_of_async());
        let never = self.returns() == Returns::Never;
        // `!` itself would make the rest of the expansion unreachable code.
        let tie = if never {
            quote_spanned! {Span::mixed_site()=>
                let __monitor_return = #private::Return::<::core::convert::Infallible>::new();
            }
        } else {
            self.tie()
        };
        // The compiler hands no expected type into an async block, so the tie stands inside it once more.
        let inner_tie = tie_again(&self.function.signature.output);
        let future = ident("__monitor_future");
        let tracked = self.track(&future, self.returns());
        let awaited = if never {
            quote_spanned!(Span::mixed_site()=> match #tracked.await {})
        } else {
            quote_spanned!(Span::mixed_site()=> #tracked.await)
        };
        let written = self.body.span();
        let block = in_braces(written, quote_spanned!(Span::mixed_site()=> #inner_tie #body));
        let block = quote_spanned!(written=> async move #block);
        quote_spanned! {Span::mixed_site()=>
            #site_static
            #tie
            #prepare
            let __monitor_future = #block;
            #awaited
        }
    }

    /// The statements of the body of an `async fn`. A closure that it returns passes a place whose type has the signature
    /// that is expected of it: an async block hands none on to what it returns.
    fn body_of_async(&self) -> TokenStream {
        let private = &self.site.private;
        let ReturnType::Type(_, output) = &self.function.signature.output else {
            return self.body.stream();
        };
        if self.returns() != Returns::Callable {
            return self.body.stream();
        }
        let shaped = |value: TokenStream, signature: &TraitBound| {
            quote_spanned! {Span::mixed_site()=> {
                let __monitor_passing = #private::Passing::new();
                let _: *const (dyn #signature + '_) = __monitor_passing.shaped(#value);
                __monitor_passing.passed()
            }}
        };
        in_place::shaped(self.body, output, &shaped)
    }

    fn future(&self) -> TokenStream {
        let private = &self.site.private;
        let (site_static, prepare, body) = (self.site.definition(), self.site.prepare(), self.body_closure());
        let tracked = self.track(&ident("__monitor_future"), Returns::Value);
        quote_spanned! {Span::mixed_site()=>
            #site_static
            let __monitor_made = #private::Return::new();
            if false {
                return #private::tracked_type(&__monitor_made, #private::Return::new()).never();
            }
            #prepare
            let __monitor_future = #private::run(&__monitor_made, #body);
            #tracked
        }
    }

    fn boxed(&self, tail: &boxed::Tail) -> TokenStream {
        let private = &self.site.private;
        let (site_static, prepare) = (self.site.definition(), self.site.prepare());
        let future = &tail.future;
        let future = quote_spanned!(Span::mixed_site()=> #private::future_of(&__monitor_return, #future));
        let tracked = self.track(&future, Returns::Value);
        let body = self.inner(tail.with(tracked));
        quote_spanned! {Span::mixed_site()=>
            #site_static
            let __monitor_return = #private::Return::new();
            if false {
                // The block captures nothing: were the output in its type, that would have to outlive the box.
                return ::std::boxed::Box::pin(
                    #private::future_of(&__monitor_return, async { #private::Return::new().never() }),
                );
            }
            #prepare
            #body
        }
    }

    fn by_type(&self) -> TokenStream {
        let private = &self.site.private;
        let (site_static, prepare, options) = (self.site.definition(), self.site.prepare(), self.site.options());
        let (tie, body, reader) = (self.tie(), self.body_closure(), self.reader(Returns::Value));
        quote_spanned! {Span::mixed_site()=>
            #site_static
            #tie
            #prepare
            use #private::{CallBoxed as _, CallPlain as _};
            (&&#private::Shape(&__monitor_return)).call(&__MONITOR_SITE, #options, #body, #reader)
        }
    }

    /// `__monitor_return`, whose type is tied to the return type without naming it: in dead code, by coercion.
    fn tie(&self) -> TokenStream {
        let private = &self.site.private;
        let again = tie_again(&self.function.signature.output);
        match &self.function.signature.output {
            ReturnType::Default => {
                quote_spanned!(Span::mixed_site()=> let __monitor_return = #private::Return::<()>::new();)
            }
            ReturnType::Type(..) => quote_spanned! {Span::mixed_site()=>
                let __monitor_return = #private::Return::new();
                #again
            },
        }
    }

    /// The body as a closure. It counts as the host's own, so that lints on what a function returns see it.
    fn body_closure(&self) -> TokenStream {
        let body = self.body;
        let take = self.function.takes_arguments().then(|| quote_spanned!(body.span()=> move));
        quote_spanned!(body.span()=> #take || #body)
    }

    /// Statements of the body as a block inside another. Its braces count as ours: the host did not write one too many.
    fn inner(&self, statements: TokenStream) -> Group {
        in_braces(Span::mixed_site().located_at(self.body.span()), statements)
    }

    fn returns(&self) -> Returns {
        Returns::of(&self.function.signature.output, &self.function.signature.generics)
    }

    /// `track_future(..)` around a future, with its options.
    fn track(&self, future: &TokenStream, returns: Returns) -> TokenStream {
        let private = &self.site.private;
        let (reader, options) = (self.reader(returns), self.site.future_options());
        quote_spanned!(Span::mixed_site()=> #private::track_future(&__MONITOR_SITE, #future, #reader) #options)
    }

    /// A closure that reads the outcome of a value into the call that ends.
    fn reader(&self, returns: Returns) -> TokenStream {
        let reading = self.reading(&ident("__monitor_value_ref"), returns);
        let mutable = self.args.items_from.as_ref().map(|_| quote_spanned!(Span::mixed_site()=> mut));
        quote_spanned!(Span::mixed_site()=> |__monitor_value_ref, #mutable __monitor_call| { #reading })
    }

    /// Ends `__monitor_call` by the outcome that the value shows.
    fn reading(&self, value: &TokenStream, returns: Returns) -> TokenStream {
        let private = &self.site.private;
        let count = self.args.items_from.as_ref().map(|items_from| {
            let ((span, private), items_from) = (beside(items_from, private), as_written(items_from));
            quote_spanned! {span=>
                __monitor_call.add_items(#private::amount_of(__monitor_success, #items_from));
            }
        });
        let never_fails = never_fails(returns);
        let split = if never_fails {
            quote_spanned!(Span::mixed_site()=> #private::opaque(#value))
        } else {
            quote_spanned!(Span::mixed_site()=> #private::Probe(#value).split())
        };
        let fail = quote_spanned! {Span::mixed_site()=>
            __monitor_call.fail(&(&&&&&#private::Caught(__monitor_error)).failure())
        };
        let traits = quote_spanned! {Span::mixed_site()=>
            use #private::{
                SplitOther as _, WordedByDebug as _, WordedByDisplay as _, WordedByError as _, WordedByName as _,
                WordedByPointee as _,
            };
        };
        let (ok, err) = (
            quote_spanned!(Span::mixed_site()=> ::core::result::Result::Ok),
            quote_spanned!(Span::mixed_site()=> ::core::result::Result::Err),
        );
        if let Some(error_if) = &self.args.error_if {
            let ((span, beside), error_if) = (beside(error_if, private), as_written(error_if));
            let judged = quote_spanned!(span=> #beside::judge(#value, #error_if));
            return quote_spanned! {Span::mixed_site()=> {
                #traits
                match (#judged, #split) {
                    (#private::Judged::Said(__monitor_said), _) => __monitor_call.fail(&__monitor_said),
                    (#private::Judged::Failure, #ok(_)) => __monitor_call.fail_plain(),
                    (#private::Judged::Failure | #private::Judged::Unread, #err(__monitor_error)) => #fail,
                    (_, #ok(__monitor_success)) => {
                        #count
                        __monitor_call.succeed();
                    }
                    (_, #err(_)) => __monitor_call.succeed(),
                }
            }};
        }
        if never_fails {
            let success = count.is_some().then(|| quote_spanned!(Span::mixed_site()=> let __monitor_success = #value;));
            return quote_spanned!(Span::mixed_site()=> #success #count __monitor_call.succeed(););
        }
        quote_spanned! {Span::mixed_site()=> {
            #traits
            match #split {
                #ok(__monitor_success) => {
                    #count
                    __monitor_call.succeed();
                }
                #err(__monitor_error) => #fail,
            }
        }}
    }
}

/// Whether whatever is returned is a success.
fn never_fails(returns: Returns) -> bool {
    matches!(returns, Returns::Plain | Returns::Never | Returns::Opaque | Returns::Callable | Returns::Future)
}

/// The host's closure or path. The start of a closure counts as ours: clippy would rather have `|users| users.len()` as
/// a path, which says less in an attribute.
fn as_written(expression: &Expr) -> TokenStream {
    let is_closure = matches!(expression, Expr::Closure(_));
    let ours = |(place, mut token): (usize, TokenTree)| {
        if place == 0 && is_closure {
            token.set_span(Span::mixed_site().located_at(token.span()));
        }
        token
    };
    expression.to_token_stream().into_iter().enumerate().map(ours).collect()
}

/// In dead code: the function returns what `__monitor_return` stands for. It stands at the written return type, where the
/// compiler says it learnt the type.
fn tie_again(output: &ReturnType) -> TokenStream {
    let place = match output {
        ReturnType::Type(_, ty) => ty.span(),
        ReturnType::Default => Span::mixed_site(),
    };
    quote_spanned! {Span::mixed_site().located_at(place)=>
        if false {
            return __monitor_return.never();
        }
    }
}

fn in_braces(span: Span, tokens: TokenStream) -> Group {
    let mut block = Group::new(Delimiter::Brace, tokens);
    block.set_span(span);
    block
}

fn ident(name: &str) -> TokenStream {
    Ident::new(name, Span::mixed_site()).to_token_stream()
}
