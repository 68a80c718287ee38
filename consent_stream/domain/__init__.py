"""The rules of consent: functions of their arguments, without clock, socket, file or log line.

Rules of this package
1. Precedence, clearing, covering, evidence and age live here and nowhere else.
2. State only ever grows in a fixed order of facts (`registers.py`): any order of arrival gives the same state.
3. Unknown is not permission: what cannot be read widens a restriction and refuses a grant.
4. A new event type touches: its function and name in `restrictions.py` or `permissions.py`, and, for a new
   kind, one row of `KINDS` in `facts.py`.

Where the law is silent, `READINGS.md` says what was chosen. Source: RULES (consent), GDPR Art. 7, 8, 17, 18, 21.
"""
