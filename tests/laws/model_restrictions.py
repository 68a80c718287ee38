"""What each restricting type says, by the table of the rules: the naive reading."""

from datetime import date

from .model_events import BOTH, DAY, EVERYTHING, FIVE_MINUTES, HOUR, day, instant, read_node, years_before
from .model_reading import Reading

HARD = ("5.1.1", "5.1.2", "5.1.3", "5.1.6", "5.1.10")


class Restricting(Reading):
    """The types that only restrict."""

    def like_unsubscribed(self) -> None:
        purposes = {*str(self.event["type"]).split("."), self.data.get("purpose")}
        if "sharing" in purposes:
            self.restrict("sharing_opt_out", ("sharing", "*", "*"))
        if "profiling" in purposes:
            self.restrict("objected", ("profiling", "*", "*"))
        if not purposes & {"sharing", "profiling"}:
            for channel, _ in self.about("*"):
                self.restrict("unsubscribed", ("marketing", channel, "*"))

    def consent_withdrawn(self) -> None:
        self.withdraw(self.data.get("purpose", "marketing"), self.scope())

    consent_refused = consent_revoked = consent_withdrawn

    def withdraw(self, purpose: object, scope: str) -> None:
        if purpose == "sharing":
            self.restrict("sharing_opt_out", ("sharing", "*", scope))
        elif purpose == "profiling":
            self.restrict("objected", ("profiling", "*", "*"))
        elif purpose == "*":
            self.unsubscribe_global()
            self.objection_direct_marketing()
            self.restrict("sharing_opt_out", ("sharing", "*", "*"))
        else:
            purpose = "transactional" if purpose == "transactional" else "marketing"
            for channel, of in self.about(scope):
                if channel == "*" and purpose == "marketing":
                    self.unsubscribe_global()
                else:
                    self.restrict("unsubscribed" if of == "*" else "topic_opt_out", (purpose, channel, of))

    def unsubscribe_oneclick(self) -> None:
        scope = self.scope().split("/")[0]
        if self.rules.get("unsubscribe_scope") == "channel":
            scope = "*"
        for channel, of in self.about(scope):
            self.restrict("unsubscribed", ("marketing", channel, of))

    unsubscribe_link = unsubscribe_mailto = unsubscribe_oneclick

    def unsubscribe_global(self) -> None:
        self.restrict("global_opt_out", ("marketing", "*", "*"))

    def objection_direct_marketing(self) -> None:
        self.restrict("objected", ("marketing", "*", "*"))
        self.restrict("objected", ("profiling", "*", "*"))

    def sharing_optout(self) -> None:
        self.restrict("sharing_opt_out", ("sharing", "*", self.scope()))

    def signal_gpc(self) -> None:
        headers = self.data.get("headers")
        if isinstance(headers, list) and "1" in headers:
            self.restrict("sharing_opt_out", ("sharing", "*", "*"))

    def signal_gpp(self) -> None:
        sections = self.data.get("sections")
        for fields in sections.values() if isinstance(sections, dict) else ():
            for name, value in fields.items() if isinstance(fields, dict) else ():
                if (name.endswith("OptOut") and value == 1) or (name == "Gpc" and value in (True, 1)):
                    self.restrict("sharing_opt_out", ("sharing", "*", "*"))

    def feedback_complaint(self) -> None:
        if self.data.get("feedback_type") in (None, "abuse"):
            for channel, _ in self.about("*"):
                self.restrict("complaint", ("marketing", channel, "*"))

    def number_reassigned(self) -> None:
        hi, off = self.hi, instant(f"{self.data.get('disconnect_date')}T00:00:00Z")
        if off is not None and off <= self.received + FIVE_MINUTES:
            hi = off + DAY + 12 * HOUR - 1
        for node in (("*", "sms", "*"), ("sharing", "*", "*"), ("profiling", "*", "*")):
            self.restrict("reassigned", node, hi)

    number_deactivated = number_reassigned

    def report_minor_suspected(self) -> None:
        for purpose in ("marketing", "sharing", "profiling"):
            self.restrict("minor_suspected", (purpose, "*", "*"))

    def subject_deceased(self) -> None:
        self.restrict("deceased", EVERYTHING)

    def subject_restricted(self) -> None:
        self.restrict("frozen", EVERYTHING)

    def subject_erasure_ordered(self) -> None:
        self.restrict("erased", EVERYTHING)

    def admin_suppress(self) -> None:
        self.restrict("suppressed_by_staff", read_node(self.data.get("node")) or EVERYTHING)

    def admin_legal_block(self) -> None:
        self.restrict("legal", read_node(self.data.get("node")) or EVERYTHING)

    def subject_age_asserted(self) -> None:
        today, birth = day(self.hi), None
        if self.data.get("birth_date") is not None:
            try:
                birth = min(date.fromisoformat(self.data["birth_date"]), today)
            except ValueError:
                return
        elif self.data.get("band") in ("under_13", "under_16"):
            birth = today
        elif self.data.get("band") == "13_15":
            birth = years_before(today, 13)
        if birth is not None:
            self.of_the_person("birth", date=birth, hi=self.hi)

    def consent_invalidated(self) -> None:
        for selector in self.data.get("voids", []):
            self.of_the_person("void", selector=selector)

    def delivery_bounced(self) -> None:
        if self.data.get("status") in HARD:
            self.bounce()

    def bounce(self) -> None:
        for channel, _ in self.about("*"):
            for address in self.addresses:
                if address.channels & (BOTH if channel == "*" else frozenset((channel,))):
                    self.say(address.key, "bounced", hi=self.hi)
