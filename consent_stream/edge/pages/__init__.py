"""The preference centre: one page for each link, in four languages, without script, for everyone.

`standing` and `page` say how a person stands, by the rules of `domain`; `forms` reads what they want, `saying` makes it
events; `routes` answers. A no is taken from whoever has the link. A yes needs a link of the last 7 days, the page's own
form, and cites what the page told (RULES §4, §5); with E4 it is asked for twice. GET and HEAD change nothing.
"""

from consent_stream.edge.pages.routes import routes as routes
