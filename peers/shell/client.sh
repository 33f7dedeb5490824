# A Secure Channel v2 client over HTTP with curl (PROTOCOL 4 to 6): the whole flow of forgot password. Sourced by scv2.sh.
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2015  # channel.sh and scv2.sh set what is read; in `A && B || die`, A or B may fail

MESSAGE=$(text_hex password.forgot)
FORGOT=/web/v1/system/auth/password/forgot
CHANNEL=/web/v1/secure-channel

# request METHOD PATH BODY SESSION_ID: sets status; the answer is in $tmp/answer, its headers are in $tmp/headers.
request() {
    local id more=()
    id=$(random 16)
    id=${id:0:8}-${id:8:4}-4${id:13:3}-a${id:17:3}-${id:20}
    [[ $1 == GET ]] || more=(--data-binary "@$tmp/request")
    # With an empty body, none at all: curl would send one of its own.
    more+=(--header "Content-Type:${3:+ application/json;charset=UTF-8}")
    [[ -z $4 ]] || more+=(--header "X-SC-Session-Id: $4")
    bytes "$3" >"$tmp/request"
    status=$(curl --silent --show-error --max-time 30 --request "$1" "${more[@]}" \
        --header "X-Client-Hash: $client_hash" --header 'X-SC-Version: 2' --header "X-Request-Id: $id" \
        --header 'Accept: application/json' --header 'Accept-Language: en' \
        --dump-header "$tmp/headers" --output "$tmp/answer" --write-out '%{http_code}' "$base$2") || die "$2: curl failed"
    [[ $(header X-Request-Id) == "$id" ]] || die "$2: X-Request-Id is not echoed"
}

header() { grep -i "^$1:" "$tmp/headers" | head -n 1 | cut -d : -f 2- | tr -d ' \r'; } # NAME

shown() { head -c 300 "$1" | tr -cd '[:print:]'; } # FILE, for people

# Checks the JSON form that every successful answer has, sealed or plain: WHAT STATUS FILE.
success() {
    [[ $2 == 200 ]] && jq -e '.success == true and .code == "2000" and .version == "2.0.0"
        and (.timestamp | type) == "number"' "$3" >/dev/null 2>&1 || die "$1: HTTP $2 $(shown "$3")"
}

# A plain JSON answer of the success form: METHOD PATH BODY SESSION_ID.
plain() {
    request "$@"
    success "$2" "$status" "$tmp/answer"
}

answer() { jq -r "$1" "$tmp/answer"; } # JQ_FILTER

fetch_key() {
    local bits
    plain GET $CHANNEL/public-key '' ''
    [[ $bound_wanted == no ]] || jq -e '.data.profiles // [] | index("bound")' "$tmp/answer" >/dev/null \
        || die "the server does not offer the profile bound"
    answer .data.publicKey | base64 -d >"$tmp/public.der" 2>/dev/null \
        && [[ $(base64 -w 0 "$tmp/public.der") == "$(answer .data.publicKey)" ]] || die "publicKey is not Base64"
    bits=$(openssl pkey -pubin -inform DER -in "$tmp/public.der" -noout -text | sed -n 's/^Public-Key: (\([0-9]*\) bit)$/\1/p')
    ((bits >= 2048 && bits <= 4096)) && [[ $(answer .data.keySize) == "$bits" ]] || die "key size"
    [[ $(answer .data.algorithm) == "RSA-OAEP-$bits" ]] || die "algorithm"
    key_id=$(answer .data.keyId)
    wrapped_request=$(wrap "$tmp/public.der" "$request_key") && wrapped_response=$(wrap "$tmp/public.der" "$response_key") \
        || die "cannot wrap"
    exchange=$(exchange "$key_id" "$wrapped_request" "$wrapped_response")
    ctx=$(sha256 "$exchange")
}

create_session() {
    local body
    body=$(jq -cn --arg id "$key_id" --arg req "$(bytes "$wrapped_request" | base64 -w 0)" \
        --arg resp "$(bytes "$wrapped_response" | base64 -w 0)" --arg bound "$bound_wanted" \
        '{keyId: $id, encReqKey: $req, encRespKey: $resp} + if $bound == "yes" then {profile: "bound"} else {} end')
    plain POST $CHANNEL/session "$(text_hex "$body")" ''
    [[ $(answer '.data.profile // "plain"') == "$([[ $bound_wanted == yes ]] && echo bound || echo plain)" ]] \
        || die "profile of the session"
    [[ $(answer '.data.expiresAt | type') == number ]] || die "expiresAt"
    take_session "$(answer .data.sessionId)"
}

take_session() {
    [[ $1 =~ ^sess_[A-Za-z0-9_-]{32}$ ]] || die "session id '$1'"
    session_id=$1
}

# seal_request PLAINTEXT: sets iv and envelope; of type 1 while there is no session.
seal_request() {
    local head=53430202 version=02
    if [[ -z $session_id ]]; then
        [[ $bound_wanted == no ]] || version=82
        head=5343${version}01$exchange
        associated_data "$bound_wanted" "$head" "$MESSAGE"
    else
        associated_data "$bound_wanted" $head "$MESSAGE" "$ctx" "$session_id"
    fi
    seal "$request_key" "$head" "$data" "$1"
}

# Sends one sealed request, opens its answer, prints it, and checks that it is a success: PLAINTEXT.
send() {
    local request_iv
    seal_request "$1"
    request_iv=$iv
    request POST $FORGOT "$envelope" "$session_id"
    [[ $(head -c 2 "$tmp/answer" | hex) == 5343 ]] || die "plain answer to a sealed request: HTTP $status $(shown "$tmp/answer")"
    parse "$(hex <"$tmp/answer")" || die "answer: $refusal"
    [[ $type == 129 ]] || die "answer of type $type"
    if [[ -z $session_id ]]; then
        take_session "$(header X-SC-Session-Id)"
        [[ $(header X-SC-Expires-At) =~ ^[0-9]+$ ]] || die "X-SC-Expires-At"
    fi
    associated_data "$bound_wanted" "$head" "$MESSAGE" "$ctx" "$session_id" "$request_iv"
    open_sealed "$response_key" "$sealed" "$data" || die "answer: $refusal"
    bytes "$plaintext" >"$tmp/opened"
    cat "$tmp/opened" && echo
    success 'sealed answer' "$status" "$tmp/opened"
    jq -e '.data.success == true' "$tmp/opened" >/dev/null || die data.success
}

close_session() { plain POST $CHANNEL/session/close '' "$session_id"; }

# After close: plain JSON, 404, SESSION_NOT_FOUND.
request_is_refused() {
    seal_request "$1"
    request POST $FORGOT "$envelope" "$session_id"
    [[ $status == 404 ]] && jq -e '.success == false and .code == "SECURE_CHANNEL.SESSION_NOT_FOUND"' "$tmp/answer" >/dev/null \
        || die "after close: HTTP $status $(shown "$tmp/answer")"
}

# run_flow BASE_URL
run_flow() {
    local payload
    base=$1 session_id='' client_hash=peer-shell-$(random 8)
    request_key=$(random 32) response_key=$(random 32)
    payload=$(jq -jcn --arg email "${email:-peer-$(random 6)@example.com}" '{email: $email}' | hex)
    fetch_key
    [[ $inline == yes ]] || create_session
    send "$payload" # with --inline the first is of type 1
    send "$payload" # the second is always of type 2
    close_session
    close_session
    request_is_refused "$payload"
}
