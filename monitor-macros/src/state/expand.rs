//! The implementation of the trait, as constants and two matches.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

use super::check::Machine;
use super::parse::{Limit, State};

pub(super) fn implementation(machine: &Machine) -> TokenStream {
    let Machine { ident, name, states, initial, transitions, .. } = machine;
    let private = machine.krate.as_ref().map_or_else(
        || quote_spanned!(Span::mixed_site()=> ::monitor_core::__private),
        |path| quote!(#path::__private),
    );
    let variants: Vec<&Ident> = states.iter().map(|state| &state.ident).collect();
    let (indices, first) = (0..states.len(), variants.get(*initial));
    let indices: Vec<usize> = indices.collect();
    let specs = states.iter().zip(transitions).map(|(state, leaving)| spec(state, leaving, &private));
    let stuck_after = machine.stuck_after.map(|limit| {
        let limit = optional(limit);
        quote_spanned!(Span::mixed_site()=> const STUCK_AFTER: ::core::option::Option<::core::time::Duration> = #limit;)
    });
    quote_spanned! {Span::mixed_site()=>
        #[automatically_derived]
        #[allow(deprecated)]
        impl #private::MonitorState for #ident {
            const NAME: &'static ::core::primitive::str = #name;
            const STATES: &'static [#private::StateSpec] = &[#(#specs),*];
            #stuck_after

            fn initial() -> Self {
                Self::#first
            }

            fn index(&self) -> ::core::primitive::usize {
                match self {
                    #(Self::#variants => #indices,)*
                }
            }

            fn from_index(index: ::core::primitive::usize) -> ::core::option::Option<Self> {
                match index {
                    #(#indices => ::core::option::Option::Some(Self::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    }
}

fn spec(state: &State, leaving: &[(usize, Option<String>)], private: &TokenStream) -> TokenStream {
    let name = &state.name;
    let terminal = state.terminal.map(|_| quote_spanned!(Span::mixed_site()=> .terminal()));
    let stuck_after = state.stuck_after.map(|limit| {
        let limit = optional(limit);
        quote_spanned!(Span::mixed_site()=> .stuck_after(#limit))
    });
    let transitions = (!leaving.is_empty()).then(|| {
        let each = leaving.iter().map(|(target, trigger)| {
            let on = trigger.as_ref().map(|trigger| quote_spanned!(Span::mixed_site()=> .on(#trigger)));
            quote_spanned!(Span::mixed_site()=> #private::TransitionSpec::to(#target)#on)
        });
        quote_spanned!(Span::mixed_site()=> .transitions(&[#(#each),*]))
    });
    quote_spanned!(Span::mixed_site()=> #private::StateSpec::new(#name)#terminal #stuck_after #transitions)
}

fn optional(limit: Limit) -> TokenStream {
    match limit {
        Limit::Never => quote_spanned!(Span::mixed_site()=> ::core::option::Option::None),
        Limit::After(limit) => {
            let (seconds, nanos) = (limit.as_secs(), limit.subsec_nanos());
            quote_spanned! {Span::mixed_site()=>
                ::core::option::Option::Some(::core::time::Duration::new(#seconds, #nanos))
            }
        }
    }
}
