# Checks the test vectors (sc-core/vectors, or those that another peer made) in the shell. Sourced by scv2.sh.
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2015  # channel.sh and scv2.sh set what is read; in `A && B || refuse`, A or B may fail

# shellcheck source=SCRIPTDIR/traces.sh
. "$here/traces.sh"

declare -A v # the record at hand

# records FILE JQ_PROGRAM FIELD...: writes one line for each object that the program gives, the fields between bytes 1f.
# `text` and `message` may hold anything, so they are in Base64.
records() {
    jq -r "($2)"' as $v | [$ARGS.positional[] | ($v[.] // "" | tostring) as $text
        | if . == "text" or . == "message" then $text | @base64 else $text end] | join("\u001f")' "$1" --args "${@:3}"
}

# next_record FIELD...: reads the next line from descriptor 3 into v; the message in hex.
next_record() {
    local values n=0 field
    IFS=$'\x1f' read -r -a values <&3 || return
    v=()
    for field; do v[$field]=${values[n++]-}; done
    [[ -z ${v[message]-} ]] || v[message]=$(base64 -d <<<"${v[message]}" | hex)
}

# each FILE LIST CHECK FIELD...: runs CHECK on every record of the list, if there is such a list. The members of a `repeat`
# (prefix, byte, count) count as the record's own.
each() {
    local path=$folder/$1.json what=$1.$2 check=$3 count=0
    [[ -e $path ]] && jq -e --arg list "$2" 'has($list)' "$path" >/dev/null || return 0
    records "$path" ".${2}[] | . + .repeat" "${@:4}" >"$tmp/list" || die "$path does not read"
    while next_record "${@:4}"; do
        refusal=mismatch
        $check || die "$what: ${v[name]-} ${v[why]-}: $refusal"
        count=$((count + 1))
    done 3<"$tmp/list"
    ((count > 0)) || die "an empty list of vectors: $what"
    total=$((total + count))
    counts+=", $what $count"
}

same() { [[ $1 == "${v[$2]-}" ]] || refuse "$3"; } # VALUE FIELD REFUSAL

# Opens a record of envelopes.json as its receiver would; sets plaintext.
open_vector() {
    local request_key response_key ctx=${v[ctx]} key_of=request_key exchange
    parse "${v[envelope]}" || return
    same "$type" type fields && same "${sealed:0:24}" iv fields || return
    if [[ $type == 1 ]]; then
        same "$key_id" key_id fields && same "$wrapped_request" enc_req_key fields \
            && same "$wrapped_response" enc_resp_key fields || return
        [[ $bound == yes && ${v[profile]} == bound || $bound == no && ${v[profile]} == plain ]] || { refuse fields; return; }
        exchange=$(exchange "$key_id" "$wrapped_request" "$wrapped_response")
        same "$(sha256 "$exchange")" ctx ctx || return
        unwrap "$tmp/${v[bits]}.der" "${v[bits]}" "$wrapped_request" && request_key=$key || return
        unwrap "$tmp/${v[bits]}.der" "${v[bits]}" "$wrapped_response" && response_key=$key || return
        [[ $request_key != "$response_key" ]] || { refuse 'the two keys are equal'; return; }
        same "$request_key" request_key keys && same "$response_key" response_key keys || return
        ctx='' # its parts are in the head already
    fi
    [[ $type != 129 ]] || key_of=response_key
    [[ ${v[profile]} == plain ]] || bound=yes
    associated_data "$bound" "$head" "${v[message]}" "$ctx" "${v[session_id]}" "${v[request_iv]}"
    same "$data" associated_data 'associated data' && open_sealed "${v[$key_of]}" "$sealed" "$data"
}

open_text_vector() {
    local head=53430202 bound=no
    base64 -d <<<"${v[text]}" >"$tmp/text"
    parse_text "$tmp/text" && same "${sealed:0:24}" iv iv || return
    [[ ${v[direction]} == request ]] || head=53430281
    [[ ${v[profile]} == plain ]] || bound=yes
    associated_data $bound $head "${v[message]}" "${v[ctx]}" "${v[session_id]}" "${v[request_iv]}"
    same "$data" associated_data 'associated data' && open_sealed "${v[key]}" "$sealed" "$data"
}

opens() { open_vector && same "$plaintext" plaintext plaintext; }
text_opens() { open_text_vector && same "$plaintext" plaintext plaintext; }

# refused COMMAND...: that it refuses, but not for a mistake of ours.
refused() { ! "$@" && [[ ! $refusal =~ ^(mismatch|fields|ctx|associated data|keys|iv)$ ]]; }
does_not_open() { refused open_vector; }
text_does_not_open() { refused open_text_vector; }

# The bytes of a record that has either `bytes` or `repeat`, in `whole`.
spread() {
    whole=${v[bytes]}
    [[ -z ${v[count]} ]] || whole=${v[prefix]}$(head -c "${v[count]}" /dev/zero | hex | sed "s/00/${v[byte]}/g")
}
parses() { spread && parse "$whole" && same "$type" type 'type'; }
does_not_parse() { spread && ! parse "$whole" && [[ $refusal == "${v[error]}" ]]; }

unwraps() { unwrap "$tmp/${v[bits]}.der" "${v[bits]}" "${v[wrapped]}" && same "$key" key key; }
does_not_unwrap() { refused unwrap "$tmp/${v[bits]}.der" "${v[bits]}" "${v[wrapped]}"; }

text_is_malformed() {
    base64 -d <<<"${v[text]}" >"$tmp/text"
    refused parse_text "$tmp/text"
}

# check_vectors DIR: checks every list that is there; a folder need not have all of them.
check_vectors() {
    local folder=$1 total=0 counts='' whole
    records "$folder/keys.json" '.keys[]' bits pkcs8_der spki_base64 >"$tmp/list" || die "no keys.json"
    while next_record bits pkcs8_der spki_base64; do
        bytes "${v[pkcs8_der]}" >"$tmp/${v[bits]}.der"
        echo "${v[spki_base64]}" >"$tmp/${v[bits]}.spki"
    done 3<"$tmp/list"
    local session=(profile ctx session_id message request_iv iv plaintext associated_data)
    local envelope=(name why type bits key_id enc_req_key enc_resp_key request_key response_key "${session[@]}" envelope)
    each envelopes positive opens "${envelope[@]}"
    each envelopes parses parses name type bytes prefix byte count
    each envelopes negative does_not_parse name error bytes prefix byte count
    each envelopes open_failures does_not_open "${envelope[@]}"
    each oaep ok unwraps bits wrapped key
    each oaep failures does_not_unwrap why bits wrapped
    each text positive text_opens name key direction "${session[@]}" text
    each text negative text_is_malformed why text
    each text open_failures text_does_not_open name why key direction "${session[@]}" text
    each traces traces replay_trace "${TRACE_FIELDS[@]}"
    ((total > 0)) || die "no vectors"
    echo "vectors: $total checked (${counts#, })"
}
