//! The call site: the `static` that an expansion registers, and what a call carries from its start on.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use crate::args::{Args, Pair, static_text};
use crate::record::Record;

/// What the arguments say about the call site.
pub(crate) struct Site<'a> {
    args: &'a Args,
    /// `monitor_core::__private`
    pub(crate) private: TokenStream,
}

impl<'a> Site<'a> {
    pub(crate) fn new(args: &'a Args) -> Site<'a> {
        let private = args.krate.as_ref().map_or_else(
            || quote_spanned!(Span::mixed_site()=> ::monitor_core::__private),
            |path| quote!(#path::__private),
        );
        Site { args, private }
    }

    /// The `static`. The name of its own closure holds the path of the function around it, the type included, and the
    /// same in every instance of a generic function.
    pub(crate) fn definition(&self) -> TokenStream {
        let private = &self.private;
        let name = self.args.name.as_ref().map_or_else(
            || quote_spanned!(Span::mixed_site()=> ::core::option::Option::None),
            |name| quote_spanned!(Span::mixed_site()=> ::core::option::Option::Some(#name)),
        );
        let kind = self.args.kind.as_ref().map_or("function".to_owned(), |kind| kind.value());
        let component = self.args.component.as_ref().map_or_else(String::new, |component| component.value());
        let labels = self.args.labels().iter().filter_map(|Pair { key, value, .. }| {
            let value = static_text(value)?;
            Some(quote_spanned!(Span::mixed_site()=> (#key, #value)))
        });
        let sample = self.args.sample.unwrap_or(1);
        let record = self.args.record.unwrap_or(Record::Auto).tokens(private);
        quote_spanned! {Span::mixed_site()=>
            static __MONITOR_SITE: #private::CallSite = #private::CallSite::new(#private::SiteSpec {
                name: #name,
                path: || #private::path_of(&|| ()),
                kind: #kind,
                component: #component,
                labels: &[#(#labels),*],
                sample: #sample,
                record: #record,
            });
        }
    }

    /// `__monitor_call`, entered, with everything it carries.
    pub(crate) fn enter(&self) -> TokenStream {
        let private = &self.private;
        let fields = self.fields();
        let call = quote_spanned!(Span::mixed_site()=> #private::SyncCall);
        let enter = if self.dynamic_labels().next().is_some() {
            let (names, list) = (self.dynamic_labels().map(|(name, _)| name), self.label_list());
            let texts = self.dynamic_labels().map(|(_, pair)| self.label_text(pair));
            // A `match` keeps alive what the texts may be borrowed from.
            quote_spanned! {Span::mixed_site()=> {
                use #private::{LabelByDisplay as _, LabelByText as _};
                match (#(#texts,)*) { (#(#names,)*) => #call::enter_labelled(&__MONITOR_SITE, #list) }
            }}
        } else if self.args.sample.is_some_and(|sample| sample > 1) {
            quote_spanned!(Span::mixed_site()=> #call::enter_sampled(&__MONITOR_SITE))
        } else {
            quote_spanned!(Span::mixed_site()=> #call::enter(&__MONITOR_SITE))
        };
        let set_fields = (!self.args.fields().is_empty())
            .then(|| quote_spanned!(Span::mixed_site()=> __monitor_call.set_fields(&__monitor_fields);));
        let add = |expression: Option<&Expr>, method: &str| {
            let (method, amount) = (format_ident!("{method}", span = Span::mixed_site()), self.amount(expression?));
            Some(quote_spanned!(Span::mixed_site()=> __monitor_call.#method(#amount);))
        };
        let (items, bytes) = (add(self.args.items.as_ref(), "add_items"), add(self.args.bytes.as_ref(), "add_bytes"));
        quote_spanned! {Span::mixed_site()=>
            #fields
            let mut __monitor_call = #enter;
            #set_fields
            #items
            #bytes
        }
    }

    /// What a call carries, computed before the body, which may move the arguments away; so all of it is owned.
    pub(crate) fn prepare(&self) -> TokenStream {
        let private = &self.private;
        let fields = self.fields();
        let labels = self.dynamic_labels().map(|(name, pair)| {
            let text = self.label_text(pair);
            quote_spanned! {Span::mixed_site()=>
                let #name = {
                    use #private::{LabelByDisplay as _, LabelByText as _};
                    #text.into_owned()
                };
            }
        });
        let amount = |expression: Option<&Expr>, name: &str| {
            let (name, amount) = (format_ident!("{name}", span = Span::mixed_site()), self.amount(expression?));
            Some(quote_spanned!(Span::mixed_site()=> let #name = #amount;))
        };
        let items = amount(self.args.items.as_ref(), "__monitor_items");
        let bytes = amount(self.args.bytes.as_ref(), "__monitor_bytes");
        quote_spanned!(Span::mixed_site()=> #fields #(#labels)* #items #bytes)
    }

    /// What was prepared, as calls on a tracked future.
    pub(crate) fn future_options(&self) -> TokenStream {
        let labels = self.dynamic_labels().next().map(|_| {
            let list = self.label_list();
            quote_spanned!(Span::mixed_site()=> .with_labels(#list))
        });
        let fields = (!self.args.fields().is_empty())
            .then(|| quote_spanned!(Span::mixed_site()=> .with_fields(::core::convert::From::from(__monitor_fields))));
        let items = self.args.items.as_ref().map(|_| quote_spanned!(Span::mixed_site()=> .with_items(__monitor_items)));
        let bytes = self.args.bytes.as_ref().map(|_| quote_spanned!(Span::mixed_site()=> .with_bytes(__monitor_bytes)));
        quote_spanned!(Span::mixed_site()=> #labels #fields #items #bytes)
    }

    /// What was prepared, as `Options`.
    pub(crate) fn options(&self) -> TokenStream {
        let Site { private, args } = self;
        let labels = self.label_list();
        let fields = if args.fields().is_empty() {
            quote_spanned!(Span::mixed_site()=> &[])
        } else {
            quote_spanned!(Span::mixed_site()=> &__monitor_fields)
        };
        let items = if args.items.is_some() { quote_spanned!(Span::mixed_site()=> __monitor_items) } else { quote!(0) };
        let bytes = if args.bytes.is_some() { quote_spanned!(Span::mixed_site()=> __monitor_bytes) } else { quote!(0) };
        quote_spanned! {Span::mixed_site()=>
            #private::Options { labels: #labels, fields: #fields, items: #items, bytes: #bytes }
        }
    }

    fn amount(&self, expression: &Expr) -> TokenStream {
        let (span, private) = beside(expression, &self.private);
        quote_spanned!(span=> #private::amount(|| #expression))
    }

    fn fields(&self) -> Option<TokenStream> {
        let private = &self.private;
        let fields = self.args.fields().iter().map(|Pair { key, value, .. }| {
            let (span, private) = beside(value, private);
            quote_spanned! {span=>
                (#key, #private::field(|| (&&&&#private::Field(&(#value))).value()))
            }
        });
        (!self.args.fields().is_empty()).then(|| {
            quote_spanned! {Span::mixed_site()=>
                let __monitor_fields = {
                    use #private::{FieldByDebug as _, FieldByDisplay as _, FieldByName as _, FieldByType as _};
                    [#(#fields),*]
                };
            }
        })
    }

    fn dynamic_labels(&self) -> impl Iterator<Item = (Ident, &'a Pair)> {
        let dynamic = self.args.labels().iter().filter(|pair| static_text(&pair.value).is_none());
        dynamic
            .enumerate()
            .map(|(index, pair)| (format_ident!("__monitor_label_{index}", span = Span::mixed_site()), pair))
    }

    fn label_text(&self, Pair { value, .. }: &Pair) -> TokenStream {
        let (span, private) = beside(value, &self.private);
        quote_spanned!(span=> (&&#private::Label(&(#value))).text())
    }

    fn label_list(&self) -> TokenStream {
        let labels =
            self.dynamic_labels().map(|(name, Pair { key, .. })| quote_spanned!(Span::mixed_site()=> (#key, &*#name)));
        quote_spanned!(Span::mixed_site()=> &[#(#labels),*])
    }
}

/// The path at the place of the host's expression, and a span for what goes with it: where the expression does not
/// fit, the error points at it.
pub(crate) fn beside(expression: &Expr, path: &TokenStream) -> (Span, TokenStream) {
    let place = expression.span();
    let moved = path.clone().into_iter().map(|mut token| {
        token.set_span(token.span().located_at(place));
        token
    });
    (Span::mixed_site().located_at(place), moved.collect())
}
