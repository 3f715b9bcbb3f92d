"""Every `code` of an error over HTTP (ui/problems.py), with its status, for docs/errors.md.

Those of photos are in `catalog.errors.PHOTO_CODES`: they come with the status 422.
"""

from __future__ import annotations

from collections.abc import Mapping

from catalog.errors import Explained

PROBLEM_CODES: Mapping[tuple[int, str], Explained] = {
    (400, "bad-request"): Explained("a form cannot be read", "send multipart/form-data as curl -F does"),
    (400, "not-json"): Explained("the page's request is no JSON", "load the page again; programs use /api"),
    (401, "login-needed"): Explained(
        "the server was started with --login", "send a name with its password (Basic), or a token (Bearer)"
    ),
    (403, "foreign-origin"): Explained(
        "a page of another web site sent this", "open the server's own page, or name the site by --allowed-hosts"
    ),
    (404, "no-picture"): Explained(
        "the version in use has no such photo, or its file is gone", "take the address from a newer answer, or scan"
    ),
    (404, "not-found"): Explained("there is no such page, product, run or row", "correct the address or the id"),
    (405, "method-not-allowed"): Explained("the address is right, the method is not", "see /docs"),
    (409, "job-conflict"): Explained("a job runs already, or none runs that could be stopped", "wait for it"),
    (409, "store-busy"): Explained("another process is writing to the store", "wait for it, then try again"),
    (409, "version-refused"): Explained(
        "a version that was named is damaged, or is not there", 'choose another, or run "lookalike index"'
    ),
    (413, "too-large"): Explained(
        "more was sent than the address takes", "send a photo of at most 20 MB, saved smaller"
    ),
    (415, "unsupported-media-type"): Explained(
        "a search was sent neither as a form nor as JSON", "set the Content-Type to what is sent"
    ),
    (422, "address-refused"): Explained(
        "a request named a web address or a data: URL instead of an upload", "upload the photo itself"
    ),
    (422, "invalid-request"): Explained("a field is missing, unknown, or not of its kind", "correct the field named"),
    (422, "usage"): Explained("the fields are right, what they ask for is not", "do what the detail says"),
    (500, "failed"): Explained("a fault in the server", "see the server's log, by the request's id"),
    (503, "overloaded"): Explained("more people search than can be answered at once", "ask again after Retry-After"),
    (503, "unavailable"): Explained(
        "the catalog cannot be searched just now: no version, or the disk failed", "see the server's log"
    ),
}
