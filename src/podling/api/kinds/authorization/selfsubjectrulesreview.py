"""SelfSubjectRulesReview: what may I do in a namespace? Answered and not kept."""

from __future__ import annotations

from podling.api.kinds.authorization.reviews import about_oneself

KIND = about_oneself("SelfSubjectRulesReview")
