# Secure Channel v2 with the openssl program: envelopes and cryptography, from PROTOCOL.md alone. To be sourced by bash.
# SPDX-License-Identifier: MIT OR Apache-2.0
# shellcheck shell=bash disable=SC2034,SC2015  # other files read the results; in `A && B || refuse`, A or B may fail
#
# Bytes are lower-case hex in variables, and binary only in pipes and files. A function leaves its results in the
# variables that its comment names; when it refuses, it says why in `refusal` and returns 1.

MAX_ENVELOPE=$((1048576 + 1316))
ZEROES=00000000000000000000000000000000

hex() { xxd -p | tr -d '\n'; }
bytes() { xxd -r -p <<<"$1"; }
text_hex() { printf %s "$1" | hex; }
random() { openssl rand -hex "$1"; } # COUNT
refuse() { refusal=$1; return 1; }

# --- Envelope (PROTOCOL 2) ---

# The next COUNT bytes of the envelope that is being parsed, in `field`.
take() {
    ((${#raw} - at >= 2 * $1)) || { refuse truncated; return; }
    field=${raw:at:2*$1}
    at=$((at + 2 * $1))
}

# A wrapped key in `field`; SAME is the hex of the one before, which must be as long, or empty.
take_wrapped() {
    take 2 || return
    local size=$((16#$field))
    ((size >= 256 && size <= 512)) || { refuse wrapped_key_length; return; }
    [[ -z $1 ]] || ((${#1} == 2 * size)) || { refuse wrapped_keys_differ; return; }
    take "$size"
}

# parse ENVELOPE: sets type, bound (yes or no), key_id, wrapped_request, wrapped_response (type 1), head (all before the
# IV) and sealed (IV, ciphertext, tag).
parse() {
    local raw=$1 at=8 field visible='^(2[1-9a-f]|[3-6][0-9a-f]|7[0-9a-e])+$'
    ((${#raw} <= 2 * MAX_ENVELOPE)) || { refuse too_long; return; }
    ((${#raw} >= 8)) || { refuse too_short; return; }
    [[ ${raw:0:4} == 5343 ]] || { refuse magic; return; }
    local version=${raw:4:2}
    type=$((16#${raw:6:2})) bound=no key_id='' wrapped_request='' wrapped_response=''
    [[ $version == 02 || $version == 82 && $type == 1 ]] || { refuse version; return; }
    [[ $type =~ ^(1|2|129)$ ]] || { refuse 'type'; return; }
    [[ $version == 82 ]] && bound=yes
    if [[ $type == 1 ]]; then
        take 1 || return
        [[ $field != 00 ]] || { refuse key_id_length; return; }
        take $((16#$field)) || return
        [[ $field =~ $visible ]] || { refuse key_id_character; return; }
        key_id=$(bytes "$field")
        take_wrapped '' || return
        wrapped_request=$field
        take_wrapped "$wrapped_request" || return
        wrapped_response=$field
    fi
    ((${#raw} - at >= 56)) || { refuse sealed_too_short; return; }
    head=${raw:0:at} sealed=${raw:at}
}

# The two members of a text envelope, as JSON writes them: strings of visible ASCII and escapes, and the number 2. What
# else JSON allows inside a string cannot be in a name or in Base64.
SPACE=$'[ \t\r\n]*'
STRING='"(([] !#-[^-~]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*)"'
MEMBER="$SPACE$STRING$SPACE:$SPACE(2|$STRING)$SPACE"
OBJECT="^$SPACE\\{$MEMBER,$MEMBER\\}$SPACE\$"

# The inside of a JSON string that STRING matched, without escapes, in `plain`.
unescape() {
    [[ $1 != *\\u0000* ]] || { refuse 'not Base64'; return; } # printf would end there
    local escaped=${1//\\u00/\\x}
    printf -v plain %b "${escaped//\\\///}"
}

# parse_text FILE (PROTOCOL 7): exactly v and p, in any order; sets sealed.
parse_text() {
    local document first second plain p
    ! IFS= read -r -d '' document <"$1" || { refuse 'a NUL byte'; return; }
    [[ $document =~ $OBJECT ]] || { refuse 'not an object of v and p'; return; }
    local m=("${BASH_REMATCH[@]}")
    unescape "${m[1]}" && first=$plain && unescape "${m[6]}" && second=$plain || return
    case $first$second in
        vp) [[ ${m[3]} == 2 && ${m[8]} == '"'* ]] && p=${m[9]} ;;
        pv) [[ ${m[8]} == 2 && ${m[3]} == '"'* ]] && p=${m[4]} ;;
        *) false ;;
    esac || { refuse members; return; }
    unescape "$p" || return
    p=$plain
    # The program base64 takes other forms too, so compare with what it should have been.
    [[ $p =~ ^[A-Za-z0-9+/]*={0,2}$ ]] && sealed=$(base64 -d 2>/dev/null <<<"$p" | hex) \
        && [[ $(bytes "$sealed" | base64 -w 0) == "$p" ]] || { refuse 'not Base64'; return; }
    ((${#sealed} >= 56)) || refuse 'too short'
}

# --- Cryptography (PROTOCOL 3 and 8) ---

# OAEP with SHA-256 as the hash and in MGF1; openssl takes SHA-1 for both unless told.
OAEP=(-pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256)

wrap() { bytes "$2" | openssl pkeyutl -encrypt -pubin -inkey "$1" -keyform DER "${OAEP[@]}" | hex; } # SPKI_FILE KEY

# unwrap PKCS8_FILE BITS WRAPPED: sets key. For the vectors only: a client never unwraps.
unwrap() {
    ((${#3} == $2 / 4)) || { refuse 'wrapped length'; return; }
    key=$(bytes "$3" | openssl pkeyutl -decrypt -inkey "$1" -keyform DER "${OAEP[@]}" 2>/dev/null | hex) \
        || { refuse 'does not unwrap'; return; }
    ((${#key} == 64)) || refuse 'unwrapped length'
}

sha256() { bytes "$1" | openssl dgst -sha256 -r | cut -d ' ' -f 1; }

# The key exchange as a type 1 envelope carries it: KEY_ID WRAPPED_REQUEST WRAPPED_RESPONSE.
exchange() { printf '%02x%s%04x%s%04x%s' "${#1}" "$(text_hex "$1")" $((${#2} / 2)) "$2" $((${#3} / 2)) "$3"; }

# associated_data BOUND HEAD MESSAGE [CTX SESSION_ID REQUEST_IV]: sets data. The last three as far as the type has them; all
# but the session id in hex.
associated_data() {
    data=''
    [[ $1 == no ]] || data=$2${4-}$(text_hex "${5-}")${6-}$3
}

# The openssl program has AES-GCM for tags only (GMAC), so a message takes two steps: AES-CTR for the text, and GMAC over
# associated data and ciphertext, each padded to whole blocks. GMAC takes all of that for associated data; the true tag
# differs only in the block of lengths at the end, hence by one product with the hash key H (NIST SP 800-38D, 6 and 7).

ctr() { bytes "$3" | openssl enc -aes-256-ctr -K "$1" -iv "${2}00000002" | hex; } # KEY IV TEXT; block 1 is the tag's

# gf_multiply X_HIGH X_LOW BLOCK: sets product_high and product_low; all are 64-bit halves but BLOCK (SP 800-38D, 6.3).
gf_multiply() {
    local high=$((16#${3:0:16})) low=$((16#${3:16})) bit reduce n
    product_high=0 product_low=0
    for ((n = 127; n >= 0; n--)); do
        bit=$(((n > 63 ? $1 >> n - 64 : $2 >> n) & 1)) reduce=$((low & 1))
        ((bit)) && product_high=$((product_high ^ high)) product_low=$((product_low ^ low))
        low=$((low >> 1 & 0x7fffffffffffffff | (high & 1) << 63))
        high=$((high >> 1 & 0x7fffffffffffffff ^ (reduce ? 0xe1 << 56 : 0)))
    done
}

# gcm_tag KEY IV DATA CIPHERTEXT: sets tag.
gcm_tag() {
    local blocks=$3${ZEROES:0:(32-${#3}%32)%32}$4${ZEROES:0:(32-${#4}%32)%32} hash_key gmac
    gmac=$(bytes "$blocks" | openssl mac -macopt cipher:AES-256-GCM -macopt "hexkey:$1" -macopt "hexiv:$2" GMAC)
    hash_key=$(bytes $ZEROES | openssl enc -aes-256-ecb -nopad -K "$1" | hex)
    ((${#gmac} == 32 && ${#hash_key} == 32)) || { echo "the openssl program failed" >&2; exit 1; }
    # Lengths are in bits, 4 for each hex digit: (len(blocks), 0) xor (len(data), len(ciphertext)).
    gf_multiply $((4 * ${#blocks} ^ 4 * ${#3})) $((4 * ${#4})) "$hash_key"
    printf -v tag %016x%016x $((16#${gmac:0:16} ^ product_high)) $((16#${gmac:16:16} ^ product_low))
}

# seal KEY HEAD DATA PLAINTEXT [IV]: sets iv and envelope. Only tests give an IV.
seal() {
    iv=${5:-$(random 12)}
    local ciphertext tag
    ciphertext=$(ctr "$1" "$iv" "$4")
    gcm_tag "$1" "$iv" "$3" "$ciphertext"
    envelope=$2$iv$ciphertext$tag
}

# open_sealed KEY SEALED DATA: sets plaintext. Nothing is decrypted before the tag is right.
open_sealed() {
    local iv=${2:0:24} ciphertext=${2:24:${#2}-56} tag
    plaintext=''
    gcm_tag "$1" "$iv" "$3" "$ciphertext"
    [[ $tag == "${2: -32}" ]] || { refuse 'does not open'; return; }
    plaintext=$(ctr "$1" "$iv" "$ciphertext")
}
