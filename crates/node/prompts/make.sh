#!/bin/bash
# Makes the shipped prompts anew: 8 kHz, mono, 16 bit. Needs espeak-ng and sox.
set -eu
cd "$(dirname "$0")"
say() { # FILE VOICE SPEED TEXT
  mkdir -p "$(dirname "$1")"
  espeak-ng -v "$2" -s "$3" -a 160 -w /tmp/prompt.$$.wav "$4"
  # Telephone band, even level, no silence at the ends but a breath.
  sox -D /tmp/prompt.$$.wav -r 8000 -b 16 -c 1 "$1" \
    gain -6 silence 1 0.01 0.3% reverse silence 1 0.01 0.3% reverse \
    highpass 150 norm -4 pad 0.1 0.25
  rm -f /tmp/prompt.$$.wav
}
zh() { say "zh/$1.wav" cmn 260 "$2"; }
en() { say "en/$1.wav" en-gb 165 "$2"; }

zh unallocated '您好，您拨打的号码是空号，请核对后再拨。'
zh unreachable '您好，您拨打的用户暂时无法接通，请稍后再拨。'
zh no_answer   '您好，您拨打的用户暂时无人接听，请稍后再拨。'
zh busy        '您好，您拨打的用户正在通话中，请稍后再拨。'
zh congestion  '您好，线路忙，请稍后再拨。'
zh forbidden   '您好，您没有权限拨打这个号码。'
en unallocated 'Sorry, the number you have dialled is not in service. Please check the number and dial again.'
en unreachable 'Sorry, the person you are calling cannot be reached at the moment. Please try again later.'
en no_answer   'Sorry, there is no answer. Please try again later.'
en busy        'Sorry, the line is busy. Please try again later.'
en congestion  'Sorry, all lines are busy. Please try again later.'
en forbidden   'Sorry, you are not allowed to call this number.'
zh demo "您好，我是第一部演示话机，您听得清楚吗？"
en demo 'Hello, this is the second demo phone. I can hear you loud and clear.'
