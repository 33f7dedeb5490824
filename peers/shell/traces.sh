# Replays the traces of sc-core/vectors/traces.json, as client and as server of each conversation. Sourced by vectors.sh.
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2015  # other files set what is read; in `A && B || refuse`, A or B may fail
# shellcheck disable=SC2016  # jq has variables of its own
#
# The openssl program lets nobody choose the seed of an OAEP wrap, so the wrapped keys are taken as given and unwrapped.

TRACE_FIELDS=(name way profile bits key_id client_hash session_id request_key response_key enc_req_key enc_resp_key ctx)
STEP_FIELDS=(name kind head body answer code like like_head type message iv plaintext associated_data
    answer_iv answer_plaintext answer_data)

CHANNEL=/web/v1/secure-channel
FORGOT=/web/v1/system/auth/password/forgot

# One object for each step, all fields at its top; `head` is the request's line and headers. A copy, true or changed, gets
# what it is a copy of: the other's body and head in `like` and `like_head`, and what that is made of.
STEPS='def head: "\(.method) \(.path)" + (.headers | to_entries | map("; \(.key): \(.value)") | join(""));
    .traces[] | select(.name == "%s") | .steps as $all | $all[]
    | (if .of then $all[.of].request else .request end) as $made
    | {name, kind, body: .request.body, answer: .response.body, code: .response.code}
    + {head: (.request | head), like: $made.body, like_head: ($made | head)}
    + (.response.sealed // {} | {answer_iv: .iv, answer_plaintext: .plaintext, answer_data: .associated_data})
    + ($made.sealed // {})'

# made KEY TYPE MESSAGE IV PLAINTEXT ASSOCIATED_DATA [REQUEST_IV]: sets body, the bytes on the wire of the trace t.
made() {
    bind "$2" "$3" "${7-}"
    [[ $data == "$6" ]] || { refuse 'associated data'; return; }
    seal "$1" "$head" "$data" "$5" "$4"
    on_the_wire
}

# The envelope in the form that the trace uses, in body.
on_the_wire() {
    body=$envelope
    [[ ${t[way]} != text ]] || body=$(text_hex "{\"v\":2,\"p\":\"$(bytes "${envelope:8}" | base64 -w 0)\"}")
}

# bind TYPE MESSAGE REQUEST_IV: sets head and data of a message in the trace t.
bind() {
    local bound=no version=02
    [[ ${t[profile]} == plain ]] || bound=yes
    if [[ $1 == 1 ]]; then
        [[ $bound == no ]] || version=82
        head=5343${version}01$(exchange "${t[key_id]}" "${t[enc_req_key]}" "${t[enc_resp_key]}")
        associated_data $bound "$head" "$2"
    else
        printf -v head 534302%02x "$1"
        associated_data $bound "$head" "$2" "${t[ctx]}" "${t[session_id]}" "$3"
    fi
}

# open_body KEY BODY TYPE MESSAGE [REQUEST_IV]: what the receiver reads, in plaintext; of a type 1 it takes the keys too.
open_body() {
    if [[ ${t[way]} == text ]]; then
        bytes "$2" >"$tmp/text"
        parse_text "$tmp/text" && type=$3 || return
    else
        parse "$2" || return
    fi
    [[ $type == "$3" ]] || { refuse 'type'; return; }
    [[ $type != 1 ]] || unwraps_to_keys "$wrapped_request" "$wrapped_response" || return
    local received=$sealed
    bind "$type" "$4" "${5-}"
    open_sealed "$1" "$received" "$data"
}

unwraps_to_keys() { # WRAPPED_REQUEST WRAPPED_RESPONSE
    unwrap "$tmp/${t[bits]}.der" "${t[bits]}" "$1" && [[ $key == "${t[request_key]}" ]] \
        && unwrap "$tmp/${t[bits]}.der" "${t[bits]}" "$2" && [[ $key == "${t[response_key]}" ]] || refuse 'wrapped keys'
}

json_of() { bytes "$1" | jq -r "$2"; } # BODY JQ_FILTER
json_bytes() { json_of "$1" "$2" | base64 -d | hex; }

# The request of the step in v, made again by its client (or its attacker), in line_and_headers and body.
make_request() {
    make_body || return
    line_and_headers="POST $FORGOT"
    case ${v[kind]} in
        repeat) line_and_headers=${v[like_head]} && return ;;
        key) line_and_headers="GET $CHANNEL/public-key" ;;
        set-up) line_and_headers="POST $CHANNEL/session" ;;
        close) line_and_headers="POST $CHANNEL/session/close" ;;
    esac
    line_and_headers+="; X-Client-Hash: ${t[client_hash]}; X-SC-Version: 2"
    [[ -z $body ]] || line_and_headers+="; Content-Type: application/json;charset=UTF-8"
    [[ ${v[kind]} != close && ${v[type]} != 2 ]] || line_and_headers+="; X-SC-Session-Id: ${t[session_id]}"
}

make_body() {
    local profile=''
    case ${v[kind]} in
        set-up)
            [[ ${t[profile]} == plain ]] || profile=',"profile":"bound"'
            body=$(printf '{"keyId":"%s","encReqKey":"%s","encRespKey":"%s"%s}' "${t[key_id]}" \
                "$(bytes "${t[enc_req_key]}" | base64 -w 0)" "$(bytes "${t[enc_resp_key]}" | base64 -w 0)" "$profile" | hex)
            ;;
        repeat) body=${v[like]} ;;
        message | late | tampered)
            made "${t[request_key]}" "${v[type]}" "${v[message]}" "${v[iv]}" "${v[plaintext]}" "${v[associated_data]}" || return
            [[ ${v[kind]} == tampered ]] || return 0
            printf -v envelope %s%02x "${envelope::-2}" $((16#${envelope: -2} ^ 1))
            on_the_wire
            ;;
        *) body='' ;;
    esac
}

# Both sides of the step in v.
replay_step() {
    local body line_and_headers answer=${v[answer]}
    make_request && [[ $body == "${v[body]}" && $line_and_headers == "${v[head]}" ]] || { refuse request; return; }
    case ${v[kind]} in
        key) [[ $(json_of "$answer" .data.publicKey) == "$(cat "$tmp/${t[bits]}.spki")" ]] || { refuse 'public key'; return; } ;;
        set-up)
            unwraps_to_keys "$(json_bytes "$body" .encReqKey)" "$(json_bytes "$body" .encRespKey)" || return
            [[ $(json_of "$answer" .data.sessionId) == "${t[session_id]}" ]] || { refuse 'session id'; return; }
            ;;
        message)
            open_body "${t[request_key]}" "$body" "${v[type]}" "${v[message]}" || return
            [[ $plaintext == "${v[plaintext]}" ]] || { refuse "request's plaintext"; return; }
            made "${t[response_key]}" 129 "${v[message]}" "${v[answer_iv]}" "${v[answer_plaintext]}" "${v[answer_data]}" \
                "${v[iv]}" || return
            [[ $body == "$answer" ]] || { refuse answer; return; }
            open_body "${t[response_key]}" "$answer" 129 "${v[message]}" "${v[iv]}" || return
            [[ $plaintext == "${v[answer_plaintext]}" ]] || { refuse "answer's plaintext"; return; }
            answer=$plaintext
            ;;
        tampered)
            ! open_body "${t[request_key]}" "$body" "${v[type]}" "${v[message]}" && [[ $refusal == 'does not open' ]] \
                || { refuse 'a tampered request opens'; return; }
            ;;
    esac
    [[ $(json_of "$answer" '"\(.code) \(.success == (.code == "2000"))"') == "${v[code]} true" ]] || refuse code
}

# Replays the trace in v.
replay_trace() {
    local -A t=()
    local field steps=0
    for field in "${TRACE_FIELDS[@]}"; do t[$field]=${v[$field]}; done
    same "$(sha256 "$(exchange "${t[key_id]}" "${t[enc_req_key]}" "${t[enc_resp_key]}")")" ctx ctx || return
    # shellcheck disable=SC2059  # STEPS is a format
    records "$folder/traces.json" "$(printf "$STEPS" "${t[name]}")" "${STEP_FIELDS[@]}" >"$tmp/steps" || return
    while next_record "${STEP_FIELDS[@]}"; do
        replay_step || { refuse "${v[name]}: $refusal"; return; }
        steps=$((steps + 1))
    done 3<"$tmp/steps"
    ((steps > 0)) || refuse 'no steps'
}
