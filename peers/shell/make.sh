# Makes test vectors from fresh randomness, for the other peers to check. Sourced by scv2.sh.
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2015  # channel.sh sets what is read; in `A && B || die`, A or B may fail

NAME=password.forgot

# record TYPE PROFILE SIZE [BITS]: writes one envelope in the fields of sc-core/vectors/README.md, as one line of JSON.
record() {
    local request_key response_key plaintext='' bound=no version=02 head key fields=() name=shell-type$1-$2-$3${4:+-$4}
    local ctx='' session_id='' request_iv='' wrapped_request wrapped_response exchange
    request_key=$(random 32) response_key=$(random 32) key=$request_key
    (($3 == 0)) || plaintext=$(random "$3")
    [[ $2 == plain ]] || bound=yes
    printf -v head 5343%s%02x $version "$1"
    if [[ $1 == 1 ]]; then
        [[ $bound == no ]] || version=82
        wrapped_request=$(wrap "$tmp/$4.spki" "$request_key") || die "cannot wrap"
        wrapped_response=$(wrap "$tmp/$4.spki" "$response_key") || die "cannot wrap"
        exchange=$(exchange "$(cat "$tmp/$4.id")" "$wrapped_request" "$wrapped_response")
        head=5343${version}01$exchange
        fields=(--argjson bits "$4" --arg key_id "$(cat "$tmp/$4.id")" --arg enc_req_key "$wrapped_request"
            --arg enc_resp_key "$wrapped_response" --arg ctx "$(sha256 "$exchange")" --arg message "$NAME")
    elif [[ $bound == yes ]]; then
        ctx=$(random 32) session_id=sess_$(openssl rand -base64 24 | tr +/ -_)
        fields=(--arg ctx "$ctx" --arg session_id "$session_id" --arg message "$NAME")
        if [[ $1 == 129 ]]; then
            request_iv=$(random 12)
            fields+=(--arg request_iv "$request_iv")
        fi
    fi
    [[ $1 != 129 ]] || key=$response_key
    associated_data $bound "$head" "$(text_hex $NAME)" "$ctx" "$session_id" "$request_iv"
    seal "$key" "$head" "$data" "$plaintext"
    jq -cn --arg name "$name" --argjson type "$1" --arg profile "$2" --arg request_key "$request_key" \
        --arg response_key "$response_key" --arg iv "$iv" --arg plaintext "$plaintext" --arg associated_data "$data" \
        --arg envelope "$envelope" "${fields[@]}" '$ARGS.named'
}

# text_record TYPE PROFILE SIZE: one text envelope: the binary one, without its header, in Base64.
text_record() {
    local one
    one=$(record "$1" "$2" "$3") || die "no text record"
    jq -c --arg p "$(bytes "$(jq -r '.envelope[8:]' <<<"$one")" | base64 -w 0)" '
        .key = if .type == 2 then .request_key else .response_key end
        | .direction = if .type == 2 then "request" else "response" end
        | .text = "{\"v\":2,\"p\":\"" + $p + "\"}" | .name |= sub("-type"; "-text")
        | del(.envelope, .type, .request_key, .response_key)' <<<"$one"
}

# make_vectors DIR
make_vectors() {
    local bits id spki profile kind size
    jq -r '.keys[] | "\(.bits) \(.key_id) \(.spki_der)"' "$1/keys.json" >"$tmp/keys" || die "no keys.json"
    while read -r bits id spki; do
        bytes "$spki" >"$tmp/$bits.spki"
        echo "$id" >"$tmp/$bits.id"
    done <"$tmp/keys"
    for profile in plain bound; do
        while read -r bits _; do record 1 $profile 28 "$bits" >>"$tmp/envelopes" || die "no record"; done <"$tmp/keys"
        for kind in 2 129; do
            for size in 0 1 28 1000; do record $kind $profile $size >>"$tmp/envelopes" || die "no record"; done
            text_record $kind $profile 28 >>"$tmp/text"
        done
    done
    for kind in envelopes text; do
        jq -s '{positive: .}' "$tmp/$kind" >"$1/$kind.json" || die "cannot write to $1"
    done
    echo "made: $(wc -l <"$tmp/envelopes") envelopes, $(wc -l <"$tmp/text") text envelopes"
}
