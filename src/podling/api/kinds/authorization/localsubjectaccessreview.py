"""LocalSubjectAccessReview: may somebody do something in a namespace? Answered and not kept."""

from __future__ import annotations

from podling.api.kinds.authorization.reviews import about_others

KIND = about_others("LocalSubjectAccessReview")
